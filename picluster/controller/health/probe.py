"""Gathers from some nodes what one would ask an owner of Pis for, into a bundle without personal details.

What cannot be gathered from a node is put down with the reason, and hides nothing else. Nodes that a run is busy on
are only looked at. Nothing is left on the nodes.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec.structs import replace

import picluster
from picluster.agent import examiner
from picluster.controller.health.doctor import EXAMINE_SECONDS, TORCH_SECONDS, Doctor
from picluster.controller.health.stand_ins import Known, StandIns
from picluster.controller.health.trial_run import make_trial_run
from picluster.controller.nodes.fan_out import by_reason, parted, try_all
from picluster.controller.nodes.fitness import busy
from picluster.controller.nodes.inventory import remote_nodes
from picluster.controller.nodes.reaching import enter_all, leave_all, look_all, machines_of, visited_as
from picluster.controller.nodes.ssh.address import resolve
from picluster.controller.record.report import make_report
from picluster.errors import PiclusterError, Stopped
from picluster.project import BUNDLED
from picluster.schema.agent import RunBench, TellNames
from picluster.schema.bundle import Bench, Bundle, Missing, Names, ProbedNode

if TYPE_CHECKING:
    from picluster.controller.nodes.inventory import Node
    from picluster.controller.nodes.machine import Machine
    from picluster.controller.running.observer import Observer
    from picluster.schema.facts import NodeFacts
    from picluster.schema.health import Health
    from picluster.schema.report import Report

_BENCH = Path(picluster.__file__).parent / "worker" / "torch_bench.py"

Tell = Callable[[str], None]


@dataclass
class _Found:
    """All that was found out of the nodes, by the name of each."""

    facts: dict[str, NodeFacts] = field(default_factory=dict)
    names: dict[str, Names] = field(default_factory=dict)
    benches: dict[str, Bench] = field(default_factory=dict)
    missing: list[Missing] = field(default_factory=list)

    def lack(self, what: str, errors: Mapping[str, PiclusterError]) -> None:
        """Put down what could not be gathered, nodes with the same reason together."""
        reasons = by_reason(errors, attrgetter("what")).items()
        self.missing += [Missing(what=what, nodes=tuple(names), why=why) for why, names in reasons]


def probe(nodes: Sequence[Node], observer: Observer, tell: Tell) -> Bundle:
    """Examine nodes, measure them at rest, let them train, and make a bundle of it.

    `tell` is called with what is being done. Stopped where somebody stops the run; what else goes wrong is in the
    bundle.
    """
    health = Doctor(nodes, None, tell).visit()
    found = _visit(nodes, tell)
    report = _trained(nodes, health, found, observer, tell)
    stand_ins = StandIns(_known(nodes, found, health))
    bundle = Bundle(
        made=time.strftime("%Y-%m-%d"),
        picluster=picluster.__version__,
        nodes=tuple(
            ProbedNode(name=node.name, facts=found.facts.get(node.name), bench=found.benches.get(node.name))
            for node in nodes
        ),
        health=health,
        report=report,
        missing=tuple(found.missing),
    )
    return stand_ins.record(bundle)


def _visit(nodes: Sequence[Node], tell: Tell) -> _Found:
    """Facts and measures of all nodes; those that are processes of this machine are visited once."""
    machines, found = machines_of(nodes), _Found()
    place = visited_as(machines)
    visited = {name: machines[name] for name in place.values()}
    try:
        entered, unreached = parted(enter_all(visited))
        facts, unseen = parted(look_all(entered, "", lambda _: {}))
        names, _ = parted(
            try_all(entered, lambda name: _names(entered[name]), timeout_seconds=EXAMINE_SECONDS, doing="asking")
        )
        tell("measuring  processors and disks")
        busy_with = {name: reason for name, each in facts.items() if (reason := busy(each.claims))}
        free = [name for name in facts if name not in busy_with]
        benches, unmeasured = parted(
            try_all(free, lambda name: _bench(entered[name]), timeout_seconds=TORCH_SECONDS, doing="measuring")
        )
    finally:
        leave_all(visited)
    found.lack("facts", unreached | unseen)
    found.lack("bench", busy_with | unmeasured)
    found.names = {name: names[place[name]] for name in machines if place[name] in names}
    found.benches = {name: benches[place[name]] for name in machines if place[name] in benches}
    for node in nodes:
        if seen := facts.get(place[node.name]):
            found.facts[node.name] = replace(seen, **node.words)
    return found


def _names(machine: Machine) -> Names:
    return machine.agent("examiner", timeout_seconds=EXAMINE_SECONDS).ask(TellNames())


def _bench(machine: Machine) -> Bench:
    prober = machine.agent("prober", timeout_seconds=TORCH_SECONDS)
    return prober.ask(RunBench(python=machine.python, trial=_BENCH.read_text()))


def _trained(nodes: Sequence[Node], health: Health, found: _Found, observer: Observer, tell: Tell) -> Report | None:
    """Report of a run on the nodes that are ready; where it failed, of how far it came."""
    bad = [each.name for each in health.nodes if not each.ready or each.name not in found.facts]
    if bad:
        found.missing.append(Missing(what="run", nodes=tuple(bad), why="left out: not ready"))
    ready = [node for node in nodes if node.name not in bad]
    if not ready:
        return None
    tell("training   three epochs")
    try:
        make_trial_run(ready, observer)
    except Stopped:
        raise
    except PiclusterError as error:
        found.lack("run", {node.name: error for node in ready})
    if not observer.folders:
        return None
    report = make_report(observer.folders[-1])
    return replace(report, environment=replace(report.environment, command=("picluster", "probe")))


def _known(nodes: Sequence[Node], found: _Found, health: Health) -> Known:
    """Personal words: of the person's machine, the nodes, the ways to them, and those whose runs are there."""
    everyone = [*found.names.values(), _own_names()]
    claims = [claim for facts in found.facts.values() for claim in facts.claims]
    addresses = []
    for node in remote_nodes(nodes):
        with suppress(PiclusterError):  # the doctor has told it
            way = resolve(node.ssh_words)
            addresses += [*way.way(), way]
    hosts = [*(each.host for each in addresses), *(each.alias or "" for each in addresses)]
    hosts += [host for each in everyone for host in each.hosts] + [claim.controller.host for claim in claims]
    hosts += [part for host in hosts for part in (host.partition(".")[0], host.partition(".")[2]) if _is_name(part)]
    homes = [(home, "/home/user") for each in everyone for home in each.homes]
    keys = [(str(file), "/home/user/.ssh/key") for each in addresses for file in each.key_files]
    project = [(str(place), "/home/user/project") for place in (Path.cwd(), BUNDLED)]
    return Known(
        nodes=[node.name for node in nodes],
        hosts=hosts,
        users=[
            *(each.user for each in addresses),
            *(user for each in everyone for user in each.users),
            *(claim.controller.user for claim in claims),
        ],
        networks=[network for each in everyone for network in each.networks],
        addresses=[each.address for each in health.nodes if each.address],
        folders=[*project, *keys, *homes],
    )


def _own_names() -> Names:
    return Names(**{name: tuple(words) for name, words in examiner.names().items()})


def _is_name(word: str) -> bool:
    """True of a part of a host's name that names somebody, unlike `local` or a number."""
    return any(map(str.isalpha, word)) and word not in {"local", "lan", "home", "internal"}
