"""How strong nodes are, and who gets which seat of a plan for it. Pure.

What is learnt does not hang on it: every plan learns the same bits.
"""

from __future__ import annotations

from math import ceil, log2
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from picluster.schema.graph import GraphMeta
    from picluster.schema.plan import Strategy

_CLASSES_PER_DOUBLING = 4
"""Two boards of one kind tell memories that differ a little: below a fifth there is no difference."""
_MUCH_LARGER = 2.0
"""The first stage holds activations, too, and does nearly all the work: only a far larger structure goes before it."""


class Strength(NamedTuple):
    """What a node has."""

    memory_bytes: int
    cores: int

    @property
    def rank(self) -> tuple[int, int]:
        """More is stronger: memory first, then cores."""
        return round(log2(self.memory_bytes) * _CLASSES_PER_DOUBLING), self.cores


def are_unlike(names: Sequence[str], strengths: Mapping[str, Strength]) -> bool:
    """Whether the strength of all of them is known, and some are stronger than others."""
    return not set(names) - strengths.keys() and len({strengths[name].rank for name in names}) > 1


def seated(
    names: Sequence[str],
    strengths: Mapping[str, Strength],
    graph: GraphMeta,
    *,
    strategy: Strategy,
    depth: int,
    layers_per_node: int | None,
) -> list[str]:
    """The nodes in the order in which a plan is to take them: as they come, where they are alike or not all known.

    Else the strongest first: they alone do the whole work, or they hold the first stage; the sampler comes after
    those, unless the graph's structure is far larger than its features; the weakest hold the last stages.
    """
    if not are_unlike(names, strengths):
        return list(names)
    strongest = sorted(names, key=lambda name: strengths[name].rank, reverse=True)
    stages = ceil(depth / (layers_per_node or ceil(depth / len(names))))
    spare = len(names) - stages
    structure, features = 4 * graph.edges, 2 * graph.nodes * graph.features
    if strategy != "layer-split" or spare < 1 or structure > _MUCH_LARGER * features:
        return strongest
    return [strongest[spare], *strongest[:spare], *strongest[spare + 1 :]]  # a plan takes the sampler first


def memory_words(strength: Strength) -> str:
    """Such as `3.8 GB`."""
    return f"{strength.memory_bytes / 1e9:.1f} GB"


def better_order(node: str, names: Sequence[str], others: Mapping[str, Strength]) -> tuple[str, list[str]] | None:
    """The strongest other node that has clearly more memory than `node`, and `names` with the two exchanged.

    `names`: in the order in which the plan took them; the other may stand among them or not.
    """
    if node not in others:
        return None
    larger = {name: each for name, each in others.items() if each.rank[0] > others[node].rank[0]}
    if not larger:
        return None
    best = max(larger, key=lambda name: larger[name].rank)
    swap = {node: best, best: node}
    return best, [swap.get(name, name) for name in names]
