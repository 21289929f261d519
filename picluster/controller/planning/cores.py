"""Cores on which each node of a plan computes: as many as it has, as memory and micro-batches allow. Pure.

Each core computes a micro-batch of its own, so what is learnt does not hang on their number.
"""

from __future__ import annotations

from collections import Counter
from math import ceil
from typing import TYPE_CHECKING, NamedTuple

from msgspec.structs import replace

from picluster.controller.planning.planner import expected_frontiers, machine_of
from picluster.wording import counted

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from picluster.schema.facts import NodeFacts
    from picluster.schema.graph import GraphMeta
    from picluster.schema.model import ModelDescription
    from picluster.schema.plan import Plan
    from picluster.schema.spec import Spec

_WORKER_BYTES = 160 << 20
"""Anonymous memory of a worker that computes nothing yet: nearly all of it is torch."""
_BYTES_OF_PARAMETER = 28
"""Bytes of a weight in fp32, its two moments and its best value, and its gradients' sum in fp64."""
_BYTES_OF_GRADIENT = 12
"""Bytes of one core's gradient of a weight in fp32, and rounded in fp64."""
_AT_WORK = 3
"""A micro-batch takes so many times what it keeps, while a core computes it."""


class Demand(NamedTuple):
    """Memory that a stage takes on one node, in bytes."""

    base: float
    """Memory of the worker, weights and optimiser."""
    kept: float
    """Memory of a micro-batch between its way there and its way back."""
    at_work: float
    """Memory of a micro-batch that a core computes."""
    waiting: int
    """Number of micro-batches of this node that are at later stages, and wait to come back."""

    @staticmethod
    def of(plan: Plan, index: int, spec: Spec, model: ModelDescription, graph: GraphMeta) -> Demand:
        """Expected demand of a stage: rows of its targets, aggregated and transformed."""
        targets, stage = expected_frontiers(spec, graph), plan.stages[index]
        values = sum(
            targets[each] * sum(model.layers[each - 1].aggregated.values()) for each in plan.aggregated_by(index)
        )
        values += sum(targets[each] * sum(model.layers[each - 1].output.values()) for each in stage.layers)
        if index == 0 and model.dense_layers:  # they may work on the features of all sources
            values += targets[0] * graph.features
        parameters = sum(model.layers[each - 1].parameters for each in stage.layers)
        following = sum(plan.cores_of(node) for later in plan.stages[index + 1 :] for node in later.nodes)
        return Demand(
            base=_WORKER_BYTES + parameters * _BYTES_OF_PARAMETER,
            kept=4 * values,
            at_work=4 * values * _AT_WORK + parameters * _BYTES_OF_GRADIENT,
            waiting=ceil(following / len(stage.nodes)),
        )

    def bytes(self, cores: int) -> float:
        """Memory with so many cores."""
        return self.base + cores * self.at_work + (self.waiting + cores if self.waiting else 0) * self.kept

    def fitting(self, memory: float, most: int) -> int:
        """Number of cores for which there is memory; at least 1."""
        return next((cores for cores in range(most, 1, -1) if self.bytes(cores) <= memory), 1)


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
        stage, demand = plan.stages[index], Demand.of(plan, index, spec, model, graph)
        most = ceil(spec.micro_batches / len(stage.nodes))
        fitting = {name: demand.fitting(shares[name].memory, shares[name].cores) for name in stage.nodes}
        used = {name: min(cores, most) for name, cores in fitting.items() if min(cores, most) > 1}
        plan = replace(plan, cores={**used, **plan.cores})
        for name, cores in fitting.items():
            if cores < min(shares[name].cores, most):
                notes.append(_memory_note(name, cores, shares[name], demand))
        notes += _idle_notes({name: cores for name, cores in fitting.items() if cores > most}, plan, index, spec)
    return replace(plan, notes=(*plan.notes, *notes))


def _shares(
    plan: Plan, facts: Sequence[NodeFacts], asked: int | None, sharing: Collection[str]
) -> Mapping[str, _Share]:
    known = {node.name: node for node in facts}
    machines = {name: machine_of(name, known) or name for name in plan.nodes}
    places = {name: "" if machine in sharing else machine for name, machine in machines.items()}
    crowds, shares = Counter(places.values()), dict[str, _Share]()
    for name, machine in machines.items():
        node, crowd = known.get(machine), crowds[places[name]]
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
