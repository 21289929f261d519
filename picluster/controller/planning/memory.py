"""Memory as a contract: what a plan expects of each node beside what the node has. What cannot fit is refused. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from picluster.controller.planning.demand import demand_of, imports_torch
from picluster.controller.planning.planner import machine_of
from picluster.errors import InputError
from picluster.schema.plan import ExpectedMemory

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from picluster.controller.planning.demand import Demand
    from picluster.schema.facts import NodeFacts
    from picluster.schema.graph import GraphMeta
    from picluster.schema.model import ModelDescription
    from picluster.schema.plan import Plan
    from picluster.schema.spec import Spec

_PROGRAMS_BYTES, _WITHOUT_TORCH_BYTES = 100 << 20, 20 << 20
"""Pages of libtorch, Python and their like that a worker touches; of those but libtorch."""
_SAMPLER_APART = "one more node, which the sampler then has for itself"


def machines_by_node(plan: Plan, facts: Sequence[NodeFacts], sharing: Collection[str]) -> dict[str, str]:
    """Machine on which each node of a plan works: one for all that are `sharing`, as processes of this machine."""
    known = [node.name for node in facts]
    machines = {name: machine_of(name, known) or name for name in plan.nodes}
    return {name: "" if machine in sharing else machine for name, machine in machines.items()}


def with_memory(
    plan: Plan,
    facts: Sequence[NodeFacts],
    spec: Spec,
    model: ModelDescription,
    graph: GraphMeta,
    sharing: Collection[str] = (),
) -> Plan:
    """Say what each node of a plan, on the cores that it says, is expected to take; by notes, who will read in vain.

    InputError where a machine has less memory than what its nodes cannot drop: the run could not fit.
    """
    limits = {node.name: node.usable_bytes for node in facts}
    plan = replace(
        plan,
        memory={name: _expected(plan, name, demand_of(plan, name, spec, model, graph), limits) for name in plan.nodes},
    )
    notes = []
    for names in _together(machines_by_node(plan, facts, sharing)):
        if (limit := plan.memory[names[0]].limit_bytes) is None:
            continue
        own = sum(plan.memory[name].anonymous_bytes for name in names)
        programs = {name: _programs_bytes(plan, name) for name in names}
        files = max(programs.values()) + sum(plan.memory[name].mapped_bytes - programs[name] for name in names)
        if own > limit:
            raise InputError(_refusal(plan, names, own, limit), fix=_remedy(plan, names, limit, spec, model, graph))
        if own + files > limit:
            notes.append(_note(plan, names, own, files, limit, spec, model, graph))
    return replace(plan, notes=(*plan.notes, *notes))


def _expected(plan: Plan, name: str, demand: Demand, limits: Mapping[str, int | None]) -> ExpectedMemory:
    return ExpectedMemory(
        anonymous_bytes=round(demand.bytes(plan.cores_of(name))),
        mapped_bytes=_programs_bytes(plan, name) + round(demand.mapped),
        limit_bytes=limits.get(machine_of(name, limits) or name),
    )


def _programs_bytes(plan: Plan, name: str) -> int:
    return _PROGRAMS_BYTES if imports_torch(plan, name) else _WITHOUT_TORCH_BYTES


def _together(machines: Mapping[str, str]) -> list[list[str]]:
    """Nodes of a plan by machine."""
    found: dict[str, list[str]] = {}
    for name, machine in machines.items():
        found.setdefault(machine, []).append(name)
    return list(found.values())


def _refusal(plan: Plan, names: Sequence[str], own: int, limit: int) -> str:
    who = ", ".join(f"{name} ({plan.role_of(name)})" for name in names)
    needs = "needs" if len(names) == 1 else "need together"
    return (
        f"{who} {needs} about {_mib(own)} of memory that cannot be dropped, where there are {_mib(limit)}: "
        f"{_mib(own - limit)} are missing"
    )


def _remedy(plan: Plan, names: Sequence[str], limit: int, spec: Spec, model: ModelDescription, graph: GraphMeta) -> str:
    """Ways to make the nodes fit, computed as far as they can be; then those that take less."""
    ways = []
    if _fits(replace(plan, cores={}), names, limit, spec, model, graph):
        ways.append("--cores 1 fits, with the same bits")
    else:
        ways += _more_micro_batches(replace(plan, cores={}), names, limit, spec, model, graph)
    if len(names) > 1:
        ways.append("fewer processes on that machine")
    if any(len(plan.layers_of(name)) > 1 for name in names):
        split = "" if plan.strategy == "layer-split" else "--strategy layer-split "
        ways.append(f"{split}--layers-per-node 1 over more nodes")
    elif _have_sampler_beside(plan, names):
        ways.append(_SAMPLER_APART)
    ways.append("less work at once: a smaller --batch-size, --fanout or --hidden")
    return "; ".join([*ways, "a node with more memory"])


def _have_sampler_beside(plan: Plan, names: Sequence[str]) -> bool:
    """Tell whether the sampler works beside a stage of a split, and could do so elsewhere."""
    is_split = plan.strategy == "layer-split"
    return is_split and any(name in plan.sampler and plan.stage_of(name) is not None for name in names)


def _more_micro_batches(
    plan: Plan, names: Sequence[str], limit: int, spec: Spec, model: ModelDescription, graph: GraphMeta
) -> list[str]:
    """Name the number of micro-batches, by doubling, with which the nodes fit on the cores of the plan, if any does."""
    number, seeds = spec.micro_batches * 2, spec.seeds_of_step(graph.splits["train"], 0)
    while number <= seeds:
        if _fits(plan, names, limit, replace(spec, micro_batches=number), model, graph):
            return [f"--micro-batches {number} fits (and learns other last bits)"]
        number *= 2
    return []


def _fits(plan: Plan, names: Sequence[str], limit: int, spec: Spec, model: ModelDescription, graph: GraphMeta) -> bool:
    return sum(demand_of(plan, name, spec, model, graph).bytes(plan.cores_of(name)) for name in names) <= limit


def _note(
    plan: Plan,
    names: Sequence[str],
    own: int,
    files: int,
    limit: int,
    spec: Spec,
    model: ModelDescription,
    graph: GraphMeta,
) -> str:
    """Say which nodes will read parts of their files from the disk in every step."""
    ways, features = [], graph.files.get("features")
    if features and features.dtype != "int8" and any(plan.stage_of(name) == 0 for name in names):
        ways.append("--features int8")
    ways += _more_micro_batches(plan, names, limit - files, spec, model, graph)
    ways += [_SAMPLER_APART] if _have_sampler_beside(plan, names) else []
    ways.append("a node with more memory")
    return (
        f"{', '.join(names)}: beside {_mib(own)} of memory, {_mib(files)} of files do not fit into {_mib(limit)}: "
        f"they will be read from the disk again and again; what helps: {'; '.join(ways)}"
    )


def _mib(size: float) -> str:
    return f"{size / (1 << 20):,.0f} MiB"
