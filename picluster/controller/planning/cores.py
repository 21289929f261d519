"""Cores on which each node of a plan computes: as many as it has, as memory and micro-batches allow. Pure.

Each core computes a micro-batch of its own, so what is learnt does not hang on their number.
"""

from __future__ import annotations

from collections import Counter
from math import ceil
from typing import TYPE_CHECKING, NamedTuple

from msgspec.structs import replace

from picluster.controller.planning.demand import demand_of
from picluster.controller.planning.memory import machines_by_node
from picluster.controller.planning.planner import machine_of
from picluster.wording import counted

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from picluster.controller.planning.demand import Demand
    from picluster.schema.facts import NodeFacts
    from picluster.schema.graph import GraphMeta
    from picluster.schema.model import ModelDescription
    from picluster.schema.plan import Plan
    from picluster.schema.spec import Spec


class _Share(NamedTuple):
    """Part of a machine that one node of a plan has."""

    cores: int
    memory: float
    """Bytes; infinite where they are not known."""


def with_cores(
    plan: Plan,
    facts: Sequence[NodeFacts],
    spec: Spec,
    model: ModelDescription,
    graph: GraphMeta,
    *,
    asked: int | None = None,
    sharing: Collection[str] = (),
) -> Plan:
    """Say on how many cores each node computes, and by notes what limits them.

    A plan's own numbers are kept where nothing is `asked`; neither goes beyond the cores that a node has. Nodes that
    are `sharing` are processes of one machine, and each gets its part of cores and memory.
    """
    shares = _shares(plan, facts, asked, sharing)
    plan, notes = replace(plan, cores={}), list[str]()
    for index in reversed(range(len(plan.stages))):
        stage = plan.stages[index]
        demands = {name: demand_of(plan, name, spec, model, graph) for name in stage.nodes}
        most = ceil(spec.micro_batches / len(stage.nodes))
        fitting = {name: each.fitting(shares[name].memory, shares[name].cores) for name, each in demands.items()}
        used = {name: min(cores, most) for name, cores in fitting.items() if min(cores, most) > 1}
        plan = replace(plan, cores={**used, **plan.cores})
        for name, cores in fitting.items():
            if cores < min(shares[name].cores, most):
                notes.append(_memory_note(name, cores, shares[name], demands[name]))
        notes += _idle_notes({name: cores for name, cores in fitting.items() if cores > most}, plan, index, spec)
    return replace(plan, notes=(*plan.notes, *notes))


def _shares(
    plan: Plan, facts: Sequence[NodeFacts], asked: int | None, sharing: Collection[str]
) -> Mapping[str, _Share]:
    known, machines = {node.name: node for node in facts}, machines_by_node(plan, facts, sharing)
    crowds, shares = Counter(machines.values()), dict[str, _Share]()
    for name, machine in machines.items():
        node, crowd = known.get(machine_of(name, known) or name), crowds[machine]
        cores, memory = (node.cores or 1, node.usable_bytes) if node else (1, None)
        wanted = asked or plan.cores.get(name) or max(1, cores // crowd)
        shares[name] = _Share(min(wanted, cores), memory / crowd if memory else float("inf"))
    return shares


def _memory_note(name: str, cores: int, share: _Share, demand: Demand) -> str:
    """Note on a node that has more cores, and work for them, than memory."""
    return (
        f"{name} computes on {cores} of {counted(share.cores, 'core')}: one more would need "
        f"{demand.bytes(cores + 1) / 1e9:.2f} GB, and it has {share.memory / 1e9:.2f}; "
        "smaller micro-batches need less: --micro-batches"
    )


def _idle_notes(idling: Mapping[str, int], plan: Plan, index: int, spec: Spec) -> list[str]:
    """Notes on nodes that have more cores than a step has work; those alike are named together."""
    replicas, alike = len(plan.stages[index].nodes), dict[int, list[str]]()
    for name, cores in idling.items():
        alike.setdefault(cores, []).append(name)
    step = counted(spec.micro_batches, "micro-batch", "micro-batches")
    return [
        f"a step has {step}: {cores - ceil(spec.micro_batches / replicas)} of {cores} cores of {', '.join(names)} "
        f"will idle in stage {index + 1}; --micro-batches {cores * replicas} gives all work"
        for cores, names in alike.items()
    ]
