"""How strong nodes are, and who gets which seat of a plan for it. Pure.

What is learnt does not hang on it: every plan learns the same bits.
"""

from __future__ import annotations

from math import ceil, log2
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from picluster.schema.facts import NodeFacts
    from picluster.schema.graph import GraphMeta
    from picluster.schema.plan import Strategy

_CLASSES_PER_DOUBLING = 4
"""Two boards of one kind tell memories that differ a little: below a fifth there is no difference."""
_MUCH_LARGER = 2.0
"""The first stage holds activations, too, and does nearly all the work: only a far larger structure goes before it."""


def rank(node: NodeFacts) -> tuple[int, int]:
    """Rank of a node: more is stronger, memory first, then cores; (0, 0) where they are not known."""
    if not node.usable_bytes or not node.cores:
        return 0, 0
    return round(log2(node.usable_bytes) * _CLASSES_PER_DOUBLING), node.cores


def are_unlike(nodes: Sequence[NodeFacts]) -> bool:
    """True where the strength of all of them is known, and some are stronger than others."""
    ranks = {rank(node) for node in nodes}
    return (0, 0) not in ranks and len(ranks) > 1


def seated(
    nodes: Sequence[NodeFacts], graph: GraphMeta, *, strategy: Strategy, depth: int, layers_per_node: int | None
) -> list[NodeFacts]:
    """Order the nodes as a plan is to take them: as they come, where they are alike or not all known.

    Else the strongest first: they alone do the whole work, or they hold the first stage; the sampler comes after
    those, unless the graph's structure is far larger than its features; the weakest hold the last stages.
    """
    if not are_unlike(nodes):
        return list(nodes)
    strongest = sorted(nodes, key=rank, reverse=True)
    stages = ceil(depth / max(1, layers_per_node or ceil(depth / len(nodes))))
    spare = len(nodes) - stages
    structure, features = 4 * graph.edges, 2 * graph.nodes * graph.features
    if strategy != "layer-split" or spare < 1 or structure > _MUCH_LARGER * features:
        return strongest
    return [strongest[spare], *strongest[:spare], *strongest[spare + 1 :]]  # a plan takes the sampler first


def memory_words(node: NodeFacts) -> str:
    """Such as `3.8 GB`."""
    return f"{(node.usable_bytes or 0) / 1e9:.1f} GB"


def better_order(node: str, names: Sequence[str], facts: Mapping[str, NodeFacts]) -> tuple[str, list[str]] | None:
    """The strongest other node that has clearly more memory than `node`, and `names` with the two exchanged.

    `names`: in the order in which the plan took them; the other may stand among them or not.
    """
    ranks = {name: rank(each) for name, each in facts.items()}
    if not ranks.get(node, (0, 0))[0]:
        return None
    larger = [name for name in ranks if ranks[name][0] > ranks[node][0]]
    if not larger:
        return None
    best = max(larger, key=lambda name: ranks[name])
    swap = {node: best, best: node}
    return best, [swap.get(name, name) for name in names]
