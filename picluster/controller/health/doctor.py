"""Visits all nodes at once, examines them, lets them try torch and their links, and changes nothing.

What goes wrong on one node is put down and hides nothing of the others. What it means is decided in `findings`.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import msgspec

import picluster
from picluster.controller.health.findings import judge
from picluster.controller.health.link_trials import Survey
from picluster.controller.health.patient import Patient
from picluster.controller.nodes.agent_session import LocalSteward, Steward, StewardSession
from picluster.controller.nodes.data_plane import interfaces_here, meet, settle
from picluster.controller.nodes.fan_out import try_all
from picluster.controller.nodes.fitness import Seen, busy, unfit
from picluster.controller.nodes.machine import LOOPBACK
from picluster.controller.nodes.shipping import files_of, state_of
from picluster.controller.nodes.ssh.address import resolve
from picluster.controller.nodes.ssh.connection import connect
from picluster.controller.running.cluster import LEAVE_SECONDS, REACH_SECONDS
from picluster.errors import PiclusterError
from picluster.graph.folder import META_FILE
from picluster.schema.health import Facts, TorchTrial

if TYPE_CHECKING:
    import fabric

    from picluster.controller.nodes.inventory import Node
    from picluster.schema.health import Health, Link
    from picluster.schema.plan import Plan

EXAMINE_SECONDS = 40.0
TORCH_SECONDS = 90.0
"""Longer than the node's own limit for it."""
CLOCK_QUESTIONS = 3
_TRIAL = Path(picluster.__file__).parent / "worker" / "torch_trial.py"

Outcome = TypeVar("Outcome")
Tell = Callable[[str], None]


@dataclass(frozen=True)
class Intent:
    """What the nodes shall be ready for."""

    plan: Plan
    """Who does what."""
    graph: Path
    """The prepared graph."""

    def wanted(self, name: str) -> dict[str, list[int]]:
        """Files that a node reads, as a steward is asked for them."""
        return state_of(files_of(self.graph, self.plan.arrays_of(name)))


class Doctor:
    """One round of visits. Local nodes are one machine, which is visited once."""

    def __init__(self, nodes: Sequence[Node], intent: Intent | None, tell: Tell) -> None:
        """`tell` is called with what is being done."""
        self._nodes = {node.name: node for node in nodes}
        self._intent, self._tell = intent, tell
        local = [node.name for node in nodes if node.is_local]
        self._machines = [name for name, node in self._nodes.items() if not node.is_local or name == local[0]]
        self._remote = [name for name in self._machines if not self._nodes[name].is_local]
        self._connections: dict[str, fabric.Connection] = {}
        self._programs: list[LocalSteward] = []
        self._errors: dict[str, dict[str, PiclusterError]] = {name: {} for name in self._nodes}

    def visit(self) -> Health:
        """Examine all of them."""
        try:
            self._tell(f"examining  {len(self._nodes)} nodes" if len(self._nodes) > 1 else "examining  1 node")
            self._connections |= self._at_all(self._remote, self._enter, REACH_SECONDS, "connecting", "ssh")
            entered = [name for name in self._machines if name not in self._remote or name in self._connections]
            seen = self._look()
            free = [name for name in entered if name not in seen or not busy(seen[name].claims)]
            told = self._at_all(entered, self._examine, EXAMINE_SECONDS, "examining", "examination")
            able = [name for name in free if name not in seen or seen[name].torch]
            self._tell("trying     torch")
            trials = self._at_all(able, self._try_torch, TORCH_SECONDS, "trying torch", "torch")
            places = self._places(entered, seen)
            links = self._links({name: place[0] for name, place in places.items() if name in free})
            return judge([self._patient(node, seen, told, trials, places) for node in self._nodes.values()], links)
        finally:
            self._leave()

    def _leave(self) -> None:
        closing = {**self._connections, **{f"program {number}": each for number, each in enumerate(self._programs)}}
        try_all(closing, lambda name: closing[name].close(), timeout_seconds=LEAVE_SECONDS, doing="leaving")

    def _at_all(
        self, names: Iterable[str], work: Callable[[str], Outcome], seconds: float, doing: str, check: str
    ) -> dict[str, Outcome]:
        """The outcomes of those that have one; the others' errors are put down."""
        outcomes = try_all(names, work, timeout_seconds=seconds, doing=doing)
        good = {}
        for name, outcome in outcomes.items():
            if isinstance(outcome, PiclusterError):
                self._errors[name][check] = outcome
            else:
                good[name] = outcome
        return good

    def _enter(self, name: str) -> fabric.Connection:
        return connect(name, resolve(self._nodes[name].ssh_words))

    def _start(self, name: str, program: str, seconds: float) -> Steward:
        if self._nodes[name].is_local:
            self._programs.append(LocalSteward(program))
            return self._programs[-1]
        return StewardSession(self._connections[name], timeout_seconds=seconds, program=program)

    def _look(self) -> dict[str, Seen]:
        """What `launch` would see, judged as it would."""

        def look(name: str) -> Seen:
            node = self._nodes[name]
            graph, wanted = self._wanted(name)
            steward = self._start(name, "steward", REACH_SECONDS)
            answer = steward.ask("look", home=node.home, cache=node.cache, graph=graph, wanted=wanted)
            return msgspec.convert(answer, Seen)

        seen = self._at_all(self._connections, look, REACH_SECONDS, "looking", "ssh")
        for name, each in seen.items():
            sizes = {file: state[0] for file, state in self._wanted(name)[1].items()}
            if reason := unfit(each, self._nodes[name].home, sizes):
                self._errors[name]["fit"] = reason
        return seen

    def _wanted(self, name: str) -> tuple[str, dict[str, list[int]]]:
        """Name of the graph, and its files; without an intent a graph that no node can have."""
        if self._intent is None:
            return "", {META_FILE: [0, 0]}
        return self._intent.graph.name, self._intent.wanted(name)

    def _examine(self, name: str) -> tuple[Facts, float | None]:
        """Facts, and how far the node's clock is ahead."""
        node = self._nodes[name]
        examiner = self._start(name, "examiner", EXAMINE_SECONDS)
        ahead = None if node.is_local else _seconds_ahead(examiner)
        folder = str(Path.cwd()) if node.is_local else node.cache
        return msgspec.convert(examiner.ask("examine", folder=folder), Facts), ahead

    def _try_torch(self, name: str) -> TorchTrial:
        node = self._nodes[name]
        python = sys.executable if node.is_local else f"{node.home}/.venv/bin/python"
        prober = self._start(name, "prober", TORCH_SECONDS)
        return msgspec.convert(prober.ask("torch", python=python, trial=_TRIAL.read_text()), TorchTrial)

    def _places(self, names: Sequence[str], seen: Mapping[str, Seen]) -> dict[str, tuple[str, str]]:
        """Address and interface of each node's data plane, as `launch` would choose them."""
        if not seen:
            return dict.fromkeys(names, (LOOPBACK, "lo"))
        interfaces = {name: seen[name].interfaces if name in seen else interfaces_here() for name in names}

        entered = {name: seen[name].ssh_address if name in seen else "" for name in names}
        able = [name for name in names if name in seen or self._nodes[name].is_local]
        meeting = self._at_all(
            able,
            lambda name: meet(self._nodes[name], entered[name], interfaces[name]),
            REACH_SECONDS,
            "finding its address",
            "address",
        )

        def choose(name: str) -> tuple[str, str]:
            node = self._nodes[name]
            return settle(node, meeting, interfaces[name], lambda: self._start(name, "steward", REACH_SECONDS))

        return self._at_all(meeting, choose, REACH_SECONDS, "finding its routes", "address")

    def _links(self, addresses: Mapping[str, str]) -> list[Link]:
        """Every pair of machines, where there are two."""
        if len(addresses) < 2:  # noqa: PLR2004  a pair
            return []
        probers = self._at_all(
            addresses, lambda name: self._start(name, "prober", REACH_SECONDS), REACH_SECONDS, "asking", "reach"
        )
        survey = Survey(probers, addresses)
        survey.measure(self._tell)
        for name, error in survey.errors.items():
            self._errors[name]["reach"] = error
        return survey.links

    def _patient(
        self,
        node: Node,
        seen: Mapping[str, Seen],
        told: Mapping[str, tuple[Facts, float | None]],
        trials: Mapping[str, TorchTrial],
        places: Mapping[str, tuple[str, str]],
    ) -> Patient:
        """All of one node; of a local one what was found out about this machine."""
        name = node.name
        if node.is_local:
            name = next(each for each in self._machines if self._nodes[each].is_local)
        facts, ahead = told.get(name, (None, None))
        address, interface = places.get(name, (None, None))
        return Patient(
            name=node.name,
            local=node.is_local,
            errors=self._errors[name],
            seen=seen.get(name),
            facts=facts,
            torch=trials.get(name),
            clock_seconds=ahead,
            address=address,
            interface=interface,
            data_bytes=sum(state[0] for state in self._intent.wanted(node.name).values()) if self._intent else 0,
        )


def _seconds_ahead(examiner: Steward) -> float:
    """How far a node's clock is ahead, by the quickest of some questions: asked in the middle of their way."""
    tries = []
    for _ in range(CLOCK_QUESTIONS):
        before = time.time()
        there = float(examiner.ask("clock")["time"])
        after = time.time()
        tries.append((after - before, there - (before + after) / 2))
    return min(tries)[1]
