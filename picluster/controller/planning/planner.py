"""The planner: from a strategy to a plan, which says who samples and who holds which layers. Pure."""

from __future__ import annotations

from math import ceil, expm1, inf
from typing import TYPE_CHECKING

from msgspec.structs import replace

from picluster.controller.planning.seating import seated
from picluster.errors import InputError
from picluster.schema.facts import mixed_numerics
from picluster.schema.plan import Cut, EngineName, Plan, StagePlan, Strategy
from picluster.wording import counted

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from picluster.schema.facts import NodeFacts
    from picluster.schema.graph import GraphMeta
    from picluster.schema.model import ModelDescription
    from picluster.schema.spec import Spec


REPLICA_MARK = "."
"""Sign between a node's name and the number of one of several replicas on it."""
USUAL_REPLICAS = 2


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

    Raises:
        InputError: fewer nodes than stages, or options that do not go together.
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
        cuts = [smaller_cut(stage.layers[0], spec, model, graph) for stage in stages[1:]]
        stages[1:] = [replace(stage, receives=cut) for stage, cut in zip(stages[1:], cuts, strict=True)]
    plan = Plan(strategy=strategy, engine=engine, sampler=tuple(sampler), stages=tuple(stages))
    return fit_plan(plan, facts, spec, model)


def fit_plan(plan: Plan, facts: Sequence[NodeFacts], spec: Spec, model: ModelDescription) -> Plan:
    """Fit a plan, wherever it comes from, to these nodes and this spec: idle nodes and notes are filled in.

    Raises:
        InputError: it names nodes that are not there, places another number of layers, or cuts where it cannot.
    """
    nodes = [node.name for node in facts]
    machines = {node: machine_of(node, nodes) for node in plan.nodes}
    strangers = [node for node, machine in machines.items() if machine is None]
    if strangers:
        message = f"the plan names {', '.join(strangers)}, not in the inventory"
        raise InputError(message, fix=f"the inventory has {', '.join(nodes)}")
    if plan.depth != spec.model.depth:
        raise InputError(
            f"the plan places {counted(plan.depth, 'layer')}, but {spec.model.name} has {spec.model.depth}"
        )
    for number, stage in enumerate(plan.stages[1:], start=2):
        layer = model.layers[stage.layers[0] - 1]
        if layer.wide and stage.receives == "aggregated":
            message = f"stage {number} cannot receive aggregated rows: {layer.name} has parameters in its aggregation"
            raise InputError(message, fix='let the stage say "receives": "rows"')
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
    notes = []
    for number, stage in enumerate(plan.stages, start=1):
        surplus = stage.nodes[spec.micro_batches :]
        if surplus:
            notes.append(
                f"a step has {counted(spec.micro_batches, 'micro-batch', 'micro-batches')}: "
                f"{', '.join(surplus)} will idle in stage {number}; --micro-batches {len(stage.nodes)} gives all work"
            )
    return notes
