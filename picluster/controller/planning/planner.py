"""The planner: from nodes and a strategy to a plan, which says who samples and who holds which layers. Pure.

The strongest nodes do most. What is learnt does not hang on it: every plan learns the same bits.
"""

from __future__ import annotations

from math import ceil, expm1, inf, log2
from typing import TYPE_CHECKING

from msgspec.structs import replace

from picluster.errors import InputError
from picluster.schema.facts import mixed_numerics
from picluster.schema.plan import Cut, EngineName, Plan, StagePlan, Strategy
from picluster.wording import counted

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from picluster.schema.facts import NodeFacts
    from picluster.schema.graph import GraphMeta
    from picluster.schema.model import ModelDescription
    from picluster.schema.spec import Spec

REPLICA_MARK = "."
"""Sign between a node's name and the number of one of several replicas on it."""
USUAL_REPLICAS = 2
_SHOWN = 12
_CLASSES_PER_DOUBLING = 4
"""Two boards of one kind tell memories that differ a little: below a fifth there is no difference."""
_MUCH_LARGER = 2.0
"""The first stage holds activations, too, and does nearly all the work: only a far larger structure goes before it."""


def make_plan(
    facts: Sequence[NodeFacts],
    spec: Spec,
    model: ModelDescription,
    graph: GraphMeta,
    *,
    strategy: Strategy,
    engine: EngineName,
    layers_per_node: int | None,
    replicas: int | None = None,
    in_order: bool = False,
) -> Plan:
    """Place a spec on nodes: the strongest do most, unless the nodes shall stay `in_order`.

    Layer-split: one stage for every `layers_per_node` layers (None: as few as the nodes allow); a node of its own for
    the sampler where there is one left; further nodes replicate the first stage, which does nearly all the work, as
    long as a step has micro-batches for them. Rows cross each cut in the form that is expected to be smaller. Mirrored:
    `replicas` processes on the first node (None: two), each with a name of its own, such as pi1.2.

    InputError where there are fewer nodes than stages, or options do not go together.
    """
    depth = spec.model.depth
    if not in_order:
        facts = seated(facts, graph, strategy=strategy, depth=depth, layers_per_node=layers_per_node)
    nodes = [node.name for node in facts]
    if replicas is not None and strategy != "mirrored":
        raise InputError(f"--replicas goes with mirrored, not with {strategy}", fix="--strategy mirrored")
    if strategy != "layer-split":
        if layers_per_node is not None:
            what = f"--layers-per-node goes with layer-split, not with {strategy}"
            raise InputError(what, fix="leave one of them out")
        used = nodes[:1] if strategy == "single" else nodes
        if strategy == "mirrored":
            used = [f"{nodes[0]}{REPLICA_MARK}{number}" for number in range(1, (replicas or USUAL_REPLICAS) + 1)]
        stages = [StagePlan(layers=tuple(range(1, depth + 1)), nodes=tuple(used))]
        sampler = used
    else:
        as_few_as_fit = ceil(depth / len(nodes))
        most_layers = as_few_as_fit if layers_per_node is None else layers_per_node
        stages = _split(nodes, depth, most_layers, spec.micro_batches)
        sampler = nodes[:1]
        firsts = [stage.layers[0] for stage in stages[1:]]
        cuts = [spec.form(layer) or smaller_cut(layer, spec, model, graph) for layer in firsts]
        stages[1:] = [replace(stage, receives=cut) for stage, cut in zip(stages[1:], cuts, strict=True)]
    plan = Plan(strategy=strategy, engine=engine, sampler=tuple(sampler), stages=tuple(stages))
    return fit_plan(plan, facts, spec, model)


def fit_plan(plan: Plan, facts: Sequence[NodeFacts], spec: Spec, model: ModelDescription) -> Plan:
    """Fit a plan, wherever it comes from, to these nodes and this spec: idle nodes and notes are filled in.

    InputError where it names nodes that are not there, places another number of layers, or cuts where it cannot.
    """
    nodes = [node.name for node in facts]
    machines = {node: machine_of(node, nodes) for node in plan.nodes}
    strangers = [node for node, machine in machines.items() if machine is None]
    if strangers:
        more = f" and {len(strangers) - _SHOWN:,} more" if len(strangers) > _SHOWN else ""
        message = f"the plan names {', '.join(strangers[:_SHOWN])}{more}, not in the inventory"
        raise InputError(message, fix=f"the inventory has {', '.join(nodes)}")
    if plan.depth != spec.model.depth:
        raise InputError(
            f"the plan places {counted(plan.depth, 'layer')}, but {spec.model.name} has {spec.model.depth}",
            fix="have another written: picluster launch --dry-run > plan.json",
        )
    for number, stage in enumerate(plan.stages[1:], start=2):
        layer = model.layers[stage.layers[0] - 1]
        if layer.wide and stage.receives == "aggregated":
            message = f"stage {number} cannot receive aggregated rows: {layer.name} has parameters in its aggregation"
            raise InputError(message, fix='let the stage say "receives": "rows"')
        form = spec.form(stage.layers[0])
        if form not in (None, stage.receives):
            kind = {"aggregated": "aggregated rows", "rows": "rows as they are"}
            message = (
                f"stage {number} cannot receive {kind[stage.receives]}: with {spec.wire} on the wire, {kind[form]}"
            )
            fix = f'let the stage say "receives": "{form}", or launch with --wire fp32'
            raise InputError(f"{message} pass before layer {stage.layers[0]} under every plan", fix=fix)
    idle = tuple(node for node in nodes if node not in machines.values())
    mixed = mixed_numerics({node.name: node.numerics for node in facts if node.name in machines.values()})
    return replace(plan, idle=idle, notes=(*_idle_notes(plan, spec), *filter(None, [mixed])))


def machine_of(name: str, nodes: Collection[str]) -> str | None:
    """Node of the inventory that a plan's node is, or is a replica of; None if neither."""
    if name in nodes:
        return name
    machine, _, number = name.rpartition(REPLICA_MARK)
    return machine if machine in nodes and number.isdecimal() else None


def smaller_cut(layer: int, spec: Spec, model: ModelDescription, graph: GraphMeta) -> Cut:
    """Form in which rows cross best before a layer: aggregated for its targets, or as they are for all its sources.

    A layer that has parameters in its aggregation leaves no choice.
    """
    described = model.layers[layer - 1]
    if described.wide:
        return "rows"
    sources, targets = expected_frontiers(spec, graph)[layer - 1 : layer + 1]
    aggregated = targets * sum(described.aggregated.values())
    rows = sources * sum(model.layers[layer - 2].output.values())
    return "rows" if rows < aggregated else "aggregated"


def expected_frontiers(spec: Spec, graph: GraphMeta) -> list[float]:
    """Expected numbers of nodes in a micro-batch: the first layer's sources, then each layer's targets.

    As if neighbours were drawn from all nodes alike: n draws meet N (1 - exp(-n / N)) of N nodes.
    """
    frontiers = [spec.seeds_of_step(graph.splits["train"], 0) / spec.micro_batches]
    degree = graph.edges / graph.nodes
    for fanout in spec.fanout or (inf,) * spec.model.depth:
        inner = frontiers[-1]
        frontiers.append(inner + (graph.nodes - inner) * -expm1(-inner * min(fanout, degree) / graph.nodes))
    return frontiers[::-1]


def _split(nodes: Sequence[str], depth: int, layers_per_node: int, most_replicas: int) -> list[StagePlan]:
    """Stages of `layers_per_node` layers; the first is held by every node that nothing else needs.

    It has `most_replicas` at most: more than a step has micro-batches would idle. The last nodes are then left out.
    """
    if layers_per_node < 1:
        raise InputError(f"--layers-per-node must be at least 1, not {layers_per_node}")
    slices = [
        tuple(range(first, min(first + layers_per_node, depth + 1))) for first in range(1, depth + 1, layers_per_node)
    ]
    if len(nodes) < len(slices):
        message = f"{len(slices)} stages need {len(slices)} nodes, not {len(nodes)}: {', '.join(nodes)}"
        raise InputError(message, fix=f"use --layers-per-node {ceil(depth / len(nodes))}, or more nodes")
    nodes = nodes[: len(slices) + max(most_replicas, 1)]
    spare = len(nodes) - len(slices)
    samplers = min(spare, 1)
    first_stage = nodes[samplers : 1 + max(spare, samplers)]
    later = nodes[samplers + len(first_stage) :]
    holders = [tuple(first_stage), *((node,) for node in later)]
    return [StagePlan(layers=layers, nodes=holder) for layers, holder in zip(slices, holders, strict=True)]


def _idle_notes(plan: Plan, spec: Spec) -> list[str]:
    """Notes on replicas that a step has no work for."""
    return [
        f"a step has {counted(spec.micro_batches, 'micro-batch', 'micro-batches')}: "
        f"{', '.join(surplus)} will idle in stage {number}; --micro-batches {len(stage.nodes)} gives all work"
        for number, stage in enumerate(plan.stages, start=1)
        if (surplus := stage.nodes[spec.micro_batches :])
    ]


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
    """Memory of a node in words, such as `3.8 GB`."""
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
