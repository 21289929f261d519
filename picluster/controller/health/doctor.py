"""Visits all nodes at once, examines them, lets them try torch and their links, and changes nothing.

For links each node listens, and in every round each measures with one other, there and back. What goes wrong on one
node is put down and hides nothing of the others. What it means is decided in `findings`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import picluster
from picluster.controller.health.findings import judge
from picluster.controller.health.findings_node import Patient
from picluster.controller.nodes.data_plane import data_planes
from picluster.controller.nodes.fan_out import parted, try_all
from picluster.controller.nodes.fitness import busy
from picluster.controller.nodes.reaching import REACH_SECONDS, enter_all, leave_all, look_all, machines_of, visited_as
from picluster.controller.nodes.shipping import files_of, state_of
from picluster.controller.planning.demand import WORKER_BYTES
from picluster.errors import PiclusterError, RunFailed
from picluster.graph.folder import META_FILE
from picluster.schema.agent import Examine, Listen, MeasureLink, TellTime, TryTorch
from picluster.schema.facts import NodeFacts
from picluster.schema.health import Link

if TYPE_CHECKING:
    from picluster.controller.nodes.inventory import Node
    from picluster.controller.nodes.machine import Agent, Machine
    from picluster.schema.health import Facts, Health, TorchTrial
    from picluster.schema.plan import Plan

EXAMINE_SECONDS = 40.0
TORCH_SECONDS = 90.0
"""Longer than the node's own limit for it."""
LISTEN_SECONDS = 10.0
ROUND_SECONDS = 30.0
"""Time for a pair, in both directions."""
CLOCK_QUESTIONS = 3
_TRIAL = Path(picluster.__file__).parent / "worker" / "torch_trial.py"

Outcome = TypeVar("Outcome")
Tell = Callable[[str], None]
Pair = tuple[str, str]


@dataclass(frozen=True)
class Intent:
    """A task that the nodes shall be ready for."""

    plan: Plan
    graph: Path
    """The prepared graph."""

    def wanted(self, name: str) -> dict[str, list[int]]:
        """Files that a node reads, as a steward is asked for them."""
        return state_of(files_of(self.graph, self.plan.arrays_of(name)))

    def worker_bytes(self, name: str) -> int:
        """Memory that a node's worker is expected to take for itself; plans of earlier versions do not tell."""
        expected = self.plan.memory.get(name)
        return expected.anonymous_bytes if expected else WORKER_BYTES


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
        good, errors = parted(outcomes)
        for name, error in errors.items():
            self._errors[name][check] = error
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
        """Facts, and the seconds by which the clock of a machine other than this one is ahead."""
        machine = self._machines[name]
        examiner = machine.agent("examiner", timeout_seconds=EXAMINE_SECONDS)
        ahead = _seconds_ahead(examiner) if machine.is_exclusive else None
        return examiner.ask(Examine(folder=machine.data_folder)), ahead

    def _try_torch(self, name: str) -> TorchTrial:
        machine = self._machines[name]
        prober = machine.agent("prober", timeout_seconds=TORCH_SECONDS)
        return prober.ask(TryTorch(python=machine.python, trial=_TRIAL.read_text()))

    def _links(self, addresses: Mapping[str, str]) -> list[Link]:
        """Every pair of machines, where there are two."""
        if len(addresses) < 2:  # noqa: PLR2004  a pair
            return []

        def prober(name: str) -> Agent:
            return self._machines[name].agent("prober", timeout_seconds=REACH_SECONDS)

        probers = self._at_all(addresses, prober, REACH_SECONDS, "asking", "reach")
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
            worker_bytes=self._intent.worker_bytes(node) if self._intent else WORKER_BYTES,
        )


def _seconds_ahead(examiner: Agent) -> float:
    """Seconds by which a node's clock is ahead, by the quickest of some questions: told in the middle of their way."""
    tries = []
    for _ in range(CLOCK_QUESTIONS):
        before = time.time()
        there = examiner.ask(TellTime()).time
        after = time.time()
        tries.append((after - before, there - (before + after) / 2))
    return min(tries)[1]


class LinkTrials:
    """The links between some nodes."""

    def __init__(self, probers: Mapping[str, Agent], addresses: Mapping[str, str]) -> None:
        """`probers` run on the nodes, whose data planes have these addresses."""
        self._probers, self._addresses = probers, addresses
        self._ports: dict[str, int] = {}
        self.links: list[Link] = []
        self.errors: dict[str, PiclusterError] = {}
        """Errors of nodes that did not take part to the end."""

    def measure(self, tell: Tell) -> None:
        """Measure every pair in both directions; `tell` is called with what is being done."""
        listening = try_all(self._probers, self._listen, timeout_seconds=LISTEN_SECONDS, doing="listening")
        self._ports, self.errors = parted(listening)
        schedule = rounds(list(self._ports))
        for number, pairs in enumerate(schedule, start=1):
            tell(f"measuring  links, round {number} of {len(schedule)}")
            self._play([pair for pair in pairs if not set(pair) & set(self.errors)])

    def _listen(self, name: str) -> int:
        address = self._addresses[name]
        answer = self._probers[name].ask(Listen(address=address, greeting=_greeting(name)))
        if answer.port is None:
            fix = "set picluster_address in the inventory to an address that it has"
            raise RunFailed(f"it cannot listen at {address}: {answer.error}", fix=fix)
        return answer.port

    def _play(self, pairs: list[Pair]) -> None:
        titles = {" – ".join(pair): pair for pair in pairs}
        done = try_all(
            titles, lambda title: self._both_ways(titles[title]), timeout_seconds=ROUND_SECONDS, doing="measuring links"
        )
        for title, outcome in done.items():
            if isinstance(outcome, PiclusterError):
                self.errors |= dict.fromkeys(titles[title], outcome)
            else:
                self.links += outcome

    def _both_ways(self, pair: Pair) -> list[Link]:
        """Measure there and back; a node that does not answer any more is put down."""
        links = []
        for source, target in (pair, pair[::-1]):
            address, port = self._addresses[target], self._ports[target]
            try:
                told = self._probers[source].ask(MeasureLink(address=address, port=port, greeting=_greeting(target)))
            except PiclusterError as error:
                self.errors[source] = error
                continue
            measured = {"round_trip_ms": told.round_trip_ms, "mbit_per_second": told.mbit_per_second}
            links.append(Link(source=source, target=target, problem=told.error, **measured))
        return links


def _greeting(name: str) -> str:
    """Words by which a listener is known: another machine may have the address, too."""
    return f"picluster {name}"


def rounds(names: Sequence[str]) -> list[list[Pair]]:
    """Every pair once, in as few rounds as can be, nobody twice in a round: a tournament by the circle method.

    One node keeps its seat, the others move on by one after each round. With an odd number, one rests.
    """
    seats: list[str | None] = [*names, *([None] if len(names) % 2 else [])]
    played = []
    for _ in range(len(seats) - 1):
        half = len(seats) // 2
        met = zip(seats[:half], reversed(seats[half:]), strict=True)
        played.append([(first, second) for first, second in met if first is not None and second is not None])
        seats = [seats[0], seats[-1], *seats[1:-1]]
    return played
