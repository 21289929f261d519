"""From a strategy to a plan: who samples, who holds which layers. Pure."""

from __future__ import annotations

from math import ceil
from typing import TYPE_CHECKING

import msgspec

from picluster.errors import InputError
from picluster.schema.plan import EngineName, Plan, StagePlan, Strategy

if TYPE_CHECKING:
    from collections.abc import Sequence

    from picluster.schema.spec import Spec


def make_plan(
    nodes: Sequence[str], spec: Spec, *, strategy: Strategy, engine: EngineName, layers_per_node: int | None
) -> Plan:
    """Place a spec on nodes, in their order.

    Layer-split: one stage for every `layers_per_node` layers (None: as few as the nodes allow); a node of its own for
    the sampler where there is one left; further nodes replicate the first stage, which does nearly all the work.

    Raises:
        InputError: fewer nodes than stages, or options that do not go together.
    """
    depth = spec.model.depth
    if strategy != "layer-split":
        if layers_per_node is not None:
            raise InputError(f"--layers-per-node goes with layer-split, not with {strategy}")
        used = nodes[:1] if strategy == "single" else nodes
        stages = [StagePlan(layers=tuple(range(1, depth + 1)), nodes=tuple(used))]
        sampler = used
    else:
        as_few_as_fit = ceil(depth / len(nodes))
        stages = _split(nodes, depth, as_few_as_fit if layers_per_node is None else layers_per_node)
        taken = {node for stage in stages for node in stage.nodes}
        sampler = [node for node in nodes if node not in taken] or nodes[:1]
    return fit_plan(Plan(strategy=strategy, engine=engine, sampler=tuple(sampler), stages=tuple(stages)), nodes, spec)


def fit_plan(plan: Plan, nodes: Sequence[str], spec: Spec) -> Plan:
    """The plan, wherever it comes from, with what these nodes and this spec make of it: idle nodes and notes.

    Raises:
        InputError: it names nodes that are not there, or places another number of layers.
    """
    strangers = [node for node in plan.nodes if node not in nodes]
    if strangers:
        message = f"the plan names {', '.join(strangers)}, not in the inventory"
        raise InputError(message, fix=f"the inventory has {', '.join(nodes)}")
    if plan.depth != spec.model.depth:
        raise InputError(f"the plan places {plan.depth} layers, but {spec.model.name} has {spec.model.depth}")
    idle = tuple(node for node in nodes if node not in plan.nodes)
    return msgspec.structs.replace(plan, idle=idle, notes=tuple(_notes(plan, spec)))


def _split(nodes: Sequence[str], depth: int, layers_per_node: int) -> list[StagePlan]:
    """Stages of `layers_per_node` layers; the first is held by every node that nothing else needs."""
    if layers_per_node < 1:
        raise InputError(f"--layers-per-node must be at least 1, not {layers_per_node}")
    slices = [
        tuple(range(first, min(first + layers_per_node, depth + 1))) for first in range(1, depth + 1, layers_per_node)
    ]
    if len(nodes) < len(slices):
        message = f"{len(slices)} stages need {len(slices)} nodes, but there are {len(nodes)}: {', '.join(nodes)}"
        raise InputError(message, fix=f"use --layers-per-node {ceil(depth / len(nodes))}, or more nodes")
    spare = len(nodes) - len(slices)
    samplers = min(spare, 1)
    first_stage = nodes[samplers : 1 + max(spare, samplers)]
    later = nodes[samplers + len(first_stage) :]
    holders = [tuple(first_stage), *((node,) for node in later)]
    return [StagePlan(layers=layers, nodes=holder) for layers, holder in zip(slices, holders, strict=True)]


def _notes(plan: Plan, spec: Spec) -> list[str]:
    """What a person should know."""
    notes = []
    for number, stage in enumerate(plan.stages, start=1):
        surplus = stage.nodes[spec.micro_batches :]
        if surplus:
            notes.append(
                f"a step has {spec.micro_batches} micro-batch{'es' if spec.micro_batches > 1 else ''}: "
                f"{', '.join(surplus)} will idle in stage {number}; --micro-batches {len(stage.nodes)} gives all work"
            )
    return notes
