"""Visits all nodes at once, examines them, lets them try torch and their links, and changes nothing.

What goes wrong on one node is put down and hides nothing of the others. What it means is decided in `findings`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import picluster
from picluster.controller.health.findings import judge
from picluster.controller.health.findings_node import Patient
from picluster.controller.health.link_trials import LinkTrials
from picluster.controller.nodes.data_plane import data_planes
from picluster.controller.nodes.fan_out import try_all
from picluster.controller.nodes.fitness import busy
from picluster.controller.nodes.reaching import REACH_SECONDS, enter_all, leave_all, look_all, machines_of, visited_as
from picluster.controller.nodes.shipping import files_of, state_of
from picluster.errors import PiclusterError
from picluster.graph.folder import META_FILE
from picluster.schema.agent import Examine, TryTorch
from picluster.schema.facts import NodeFacts

if TYPE_CHECKING:
    from picluster.controller.nodes.inventory import Node
    from picluster.controller.nodes.machine import Machine
    from picluster.schema.health import Facts, Health, Link, TorchTrial
    from picluster.schema.plan import Plan

EXAMINE_SECONDS = 40.0
TORCH_SECONDS = 90.0
"""Longer than the node's own limit for it."""
_TRIAL = Path(picluster.__file__).parent / "worker" / "torch_trial.py"

Outcome = TypeVar("Outcome")
Tell = Callable[[str], None]


@dataclass(frozen=True)
class Intent:
    """A task that the nodes shall be ready for."""

    plan: Plan
    graph: Path
    """The prepared graph."""

    def wanted(self, name: str) -> dict[str, list[int]]:
        """Files that a node reads, as a steward is asked for them."""
        return state_of(files_of(self.graph, self.plan.arrays_of(name)))


class Doctor:
    """One round of visits. Nodes that are processes of this machine are visited once."""

    def __init__(self, nodes: Sequence[Node], intent: Intent | None, tell: Tell) -> None:
        """`tell` is called with what is being done."""
        self._machines = machines_of(nodes)
        self._visited_as = visited_as(self._machines)
        self._intent, self._tell = intent, tell
        self._errors: dict[str, dict[str, PiclusterError]] = {name: {} for name in self._machines}

    def visit(self) -> Health:
        """Examine all of them."""
        count = len(self._machines)
        visited = {name: self._machines[name] for name in self._visited_as.values()}
        try:
            self._tell(f"examining  {count} nodes" if count > 1 else "examining  1 node")
            entered = self._good(enter_all(visited), "ssh")
            seen = self._look(entered)
            free = [name for name in entered if name not in seen or not busy(seen[name].claims)]
            told = self._at_all(entered, self._examine, EXAMINE_SECONDS, "examining", "examination")
            able = [name for name in free if name not in seen or seen[name].torch or "fit" not in self._errors[name]]
            self._tell("trying     torch")
            trials = self._at_all(able, self._try_torch, TORCH_SECONDS, "trying torch", "torch")
            places = self._good(data_planes({name: entered[name] for name in seen}, seen), "address")
            links = self._links({name: place[0] for name, place in places.items() if name in free})
            return judge([self._patient(name, seen, told, trials, places) for name in self._machines], links)
        finally:
            leave_all(visited)

    def _at_all(
        self, names: Iterable[str], work: Callable[[str], Outcome], seconds: float, doing: str, check: str
    ) -> dict[str, Outcome]:
        return self._good(try_all(names, work, timeout_seconds=seconds, doing=doing), check)

    def _good(self, outcomes: Mapping[str, Outcome | PiclusterError], check: str) -> dict[str, Outcome]:
        """The outcomes of those that have one; the others' errors are put down."""
        good = {}
        for name, outcome in outcomes.items():
            if isinstance(outcome, PiclusterError):
                self._errors[name][check] = outcome
            else:
                good[name] = outcome
        return good

    def _look(self, machines: Mapping[str, Machine]) -> dict[str, NodeFacts]:
        """Facts that `launch` would see, judged as it would."""
        graph = self._intent.graph.name if self._intent else ""
        seen = self._good(look_all(machines, graph, self._wanted), "ssh")
        for name, each in seen.items():
            sizes = {file: state[0] for file, state in self._wanted(name).items()}
            if reason := machines[name].unfit(each, sizes):
                self._errors[name]["fit"] = reason
        return seen

    def _wanted(self, name: str) -> dict[str, list[int]]:
        """The files that a node shall have; without an intent one of a graph that no node can have."""
        return self._intent.wanted(name) if self._intent else {META_FILE: [0, 0]}

    def _examine(self, name: str) -> tuple[Facts, float | None]:
        """Facts, and how far the node's clock is ahead."""
        machine = self._machines[name]
        examiner = machine.agent("examiner", timeout_seconds=EXAMINE_SECONDS)
        ahead = machine.seconds_ahead(examiner)
        return examiner.ask(Examine(folder=machine.data_folder)), ahead

    def _try_torch(self, name: str) -> TorchTrial:
        machine = self._machines[name]
        prober = machine.agent("prober", timeout_seconds=TORCH_SECONDS)
        return prober.ask(TryTorch(python=machine.python, trial=_TRIAL.read_text()))

    def _links(self, addresses: Mapping[str, str]) -> list[Link]:
        """Every pair of machines, where there are two."""
        if len(addresses) < 2:  # noqa: PLR2004  a pair
            return []
        probers = self._at_all(
            addresses,
            lambda name: self._machines[name].agent("prober", timeout_seconds=REACH_SECONDS),
            REACH_SECONDS,
            "asking",
            "reach",
        )
        trials = LinkTrials(probers, addresses)
        trials.measure(self._tell)
        for name, error in trials.errors.items():
            self._errors[name]["reach"] = error
        return trials.links

    def _patient(
        self,
        node: str,
        seen: Mapping[str, NodeFacts],
        told: Mapping[str, tuple[Facts, float | None]],
        trials: Mapping[str, TorchTrial],
        places: Mapping[str, tuple[str, str]],
    ) -> Patient:
        """All of one node; of a local one what was found out about this machine."""
        name = self._visited_as[node]
        facts, ahead = told.get(name, (None, None))
        address, interface = places.get(name, (None, None))
        return Patient(
            name=node,
            local=not self._machines[node].is_exclusive,
            errors=self._errors[name],
            seen=seen.get(name),
            facts=facts,
            torch=trials.get(name),
            clock_seconds=ahead,
            address=address,
            interface=interface,
            data_bytes=sum(state[0] for state in self._intent.wanted(node).values()) if self._intent else 0,
        )
