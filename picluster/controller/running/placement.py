"""The place of a run: nodes of the inventory, and the plan that divides the work among them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from picluster.controller.nodes.inventory import (
    MOST_DIGITS,
    Node,
    RemoteNode,
    default_inventory,
    read_inventory,
    remote_nodes,
)
from picluster.controller.nodes.reaching import MEANS, Means, NodeSurvey
from picluster.controller.planning.cores import with_cores
from picluster.controller.planning.memory import with_memory
from picluster.controller.planning.planner import are_unlike, fit_plan, machine_of, make_plan, memory_words
from picluster.controller.planning.request import LaunchRequest, spelt
from picluster.errors import InputError
from picluster.schema.plan import DEFAULT_ENGINE, Plan
from picluster.schema.record import from_json
from picluster.wording import counted

if TYPE_CHECKING:
    from picluster.controller.nodes.machine import Machine
    from picluster.controller.running.task import EarlierRun, Task
    from picluster.schema.facts import NodeFacts

Note = Callable[[str, str], None]
_PLAN_FIX = "have one written: picluster launch --dry-run > plan.json"


def choose_nodes(inventory: str | Path | None, wanted: str | None, note: Note) -> tuple[list[Node], list[Node]]:
    """The nodes of an inventory that are wanted: all, the first few, or those named; and the others.

    `note` is told which inventory it is.
    """
    path = default_inventory() if inventory is None else Path(inventory)
    nodes = read_inventory(path)
    note("inventory", f"{path}: {counted(len(nodes), 'node')}")
    chosen = _chosen(nodes, wanted, path)
    return chosen, [node for node in nodes if node not in chosen]


def is_on(plan: Plan, nodes: Sequence[str] | None) -> bool:
    """True where the nodes of an inventory that is named (None: the usual one is meant) are all that a plan needs."""
    return nodes is None or all(machine_of(name, nodes) for name in plan.nodes)


def _chosen(nodes: list[Node], wanted: str | None, inventory: Path) -> list[Node]:
    if wanted is None:
        return nodes
    if wanted.isdecimal():
        if len(wanted) > MOST_DIGITS or not 1 <= int(wanted) <= len(nodes):
            raise InputError(
                f"--nodes {wanted}: the inventory has {counted(len(nodes), 'node')}",
                fix=f"a number from 1 to {len(nodes)}, or names",
            )
        return nodes[: int(wanted)]
    by_name = {node.name: node for node in nodes}
    names = [name.strip() for name in wanted.split(",") if name.strip()]
    if not names:
        raise InputError(f"--nodes {wanted!r} names nobody", fix="give a number or names, such as --nodes pi1,pi4")
    strangers = [name for name in names if name not in by_name]
    if strangers:
        message = f"--nodes: {', '.join(strangers)} not in inventory {inventory}"
        raise InputError(message, fix=f"it has {', '.join(by_name)}")
    return [by_name[name] for name in dict.fromkeys(names)]


@dataclass(frozen=True, kw_only=True)
class Placement:
    """A request with the nodes that it is about."""

    request: LaunchRequest
    nodes: Sequence[Node]
    """Nodes that may be used."""
    facts: Sequence[NodeFacts]
    """Facts of these nodes."""
    others: Sequence[NodeFacts] = ()
    """Facts of further nodes of the inventory."""
    given_plan: Plan | None = None
    """The plan that the request gives, read once: its file may be a pipe."""
    survey: NodeSurvey | None = None
    """Survey that the facts come from."""
    means: Means = MEANS
    """Means to reach the nodes."""

    @staticmethod
    def of(request: LaunchRequest, note: Note) -> Placement:
        """The nodes of the inventory that the request names."""
        chosen, others = choose_nodes(request.inventory, request.nodes, note)
        facts, further = ([node.facts for node in nodes] for nodes in (chosen, others))
        return Placement(request=request, nodes=chosen, facts=facts, others=further)

    def of_earlier(self, earlier: EarlierRun) -> Placement:
        """The same nodes with an earlier run's plan, where no other placement is asked for.

        It is the newest, where that run goes on, and the first, where it is made again.
        """
        asked, folder = self.request, earlier.folder
        names = [node.name for node in self.nodes] if asked.inventory else None
        plan = folder.first_plan() if asked.resume is None else folder.plan()
        if asked.places or not is_on(plan, names):
            return self
        given = str(folder.plan_file) if asked.resume is None else plan
        return replace(self, request=msgspec.structs.replace(asked, plan=given))

    def with_given_plan(self) -> Placement:
        """The same with the plan that was asked for, if one was.

        InputError where its file cannot be read, or another placement is asked for.
        """
        asked = self.request
        if asked.plan is None:
            return self
        for name in ("strategy", "layers_per_node", "replicas"):
            if getattr(asked, name) is not None:
                what = f"--plan and {spelt(name)} do not go together: the plan says who does what"
                raise InputError(what, fix="leave one of them out")
        return replace(self, given_plan=asked.plan if isinstance(asked.plan, Plan) else read_plan(Path(asked.plan)))

    @property
    def candidates(self) -> list[Node]:
        """Nodes that may take part, as far as it is known before there is a plan."""
        plan, names = self.given_plan, [node.name for node in self.nodes]
        wanted = names if plan is None else {machine_of(name, names) for name in plan.nodes}
        return [node for node in self.nodes if node.name in wanted]

    def with_facts(self, survey: NodeSurvey, note: Note) -> Placement:
        """The same nodes, with what they told. Says that they are unlike, where that decides who does what."""
        facts = [survey.facts.get(node.name, node.facts) for node in self.nodes]
        if self.request.plan is None and not self._is_in_order and are_unlike(facts):
            words = ", ".join(f"{node.name} {memory_words(node)}" for node in facts)
            note("note", f"the strongest nodes do most ({words}); --nodes A,B keeps an order of yours")
        return replace(self, facts=facts, survey=survey)

    @property
    def _is_in_order(self) -> bool:
        """True where a plan keeps the nodes' order: the person's own, or of processes that share a machine's memory."""
        is_own = self.request.nodes is not None and not self.request.nodes.isdecimal()
        return is_own or any(_is_process(node) for node in self.nodes)

    def taking_part(self, plan: Plan) -> list[Node]:
        """The nodes of a plan, with those of which it names replicas once for each of them."""
        by_name = {node.name: node for node in self.nodes}
        machines = {name: machine_of(name, by_name) for name in plan.nodes}
        return [replace(by_name[machine], name=name) for name, machine in machines.items() if machine is not None]

    def machines(self, plan: Plan) -> dict[str, Machine]:
        """The machine of each node of a plan, still connected where the survey was the last to use it."""
        nodes = self.taking_part(plan)
        return self.survey.take(nodes) if self.survey else self.means.machines_of(nodes)

    def plan(self, task: Task) -> Plan:
        """The plan that was asked for, checked against nodes and model; else the one that the strategy makes.

        InputError where it cannot fit into the nodes' memory.
        """
        spec, model, graph = task.spec, task.description, task.graph.meta
        sharing = [node.name for node in self.nodes if _is_process(node)]
        plan = with_cores(self._placed(task), self.facts, spec, model, graph, asked=self.request.cores, sharing=sharing)
        return with_memory(plan, self.facts, spec, model, graph, sharing)

    def _placed(self, task: Task) -> Plan:
        asked, given = self.request, self.given_plan
        if given is None:
            return make_plan(
                self.facts,
                task.spec,
                task.description,
                task.graph.meta,
                strategy=asked.strategy or "layer-split",
                engine=asked.engine or DEFAULT_ENGINE,
                layers_per_node=asked.layers_per_node,
                replicas=asked.replicas,
                in_order=self._is_in_order,
            )
        plan = fit_plan(given, self.facts, task.spec, task.description)
        return msgspec.structs.replace(plan, engine=asked.engine) if asked.engine else plan

    def check_wait(self, plan: Plan | None = None) -> None:
        """Raise InputError where it shall be waited for nodes, and none of them (or of the plan's) can be busy."""
        nodes = self.nodes if plan is None else self.taking_part(plan)
        if self.request.wait and not remote_nodes(nodes):
            what = "--wait is for machines that are busy: this one, on which all nodes of the plan are, takes several"
            raise InputError(f"{what} runs", fix="leave it out")


def _is_process(node: Node) -> bool:
    """True of a node that is one of several processes on this machine, and has no memory and cores of its own."""
    return node.cores is None and not isinstance(node, RemoteNode)


def read_plan(file: Path) -> Plan:
    """The plan of a file. InputError where it cannot be read or is none."""
    try:
        return from_json(Plan, file.read_bytes(), source=str(file), fix=_PLAN_FIX)
    except OSError as error:
        raise InputError(f"cannot read the plan {file}: {error.strerror}", fix=_PLAN_FIX) from error
