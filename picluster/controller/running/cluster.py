"""The nodes of a plan: reached, looked at and found fit before anything starts."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from picluster.controller.nodes.agent_session import StewardSession
from picluster.controller.nodes.data_plane import interfaces_here, meet, settle
from picluster.controller.nodes.fan_out import NodesFailed, all_or_none, try_all
from picluster.controller.nodes.fitness import Busy, Seen, notes, unfit, without_engine
from picluster.controller.nodes.machine import LocalTransport, Transport
from picluster.controller.nodes.remote import SshTransport
from picluster.controller.nodes.shipping import files_of
from picluster.controller.nodes.ssh.address import resolve
from picluster.controller.nodes.ssh.connection import connect
from picluster.graph.folder import DTYPES
from picluster.schema.engine import PACKAGES

if TYPE_CHECKING:
    from picluster.controller.nodes.inventory import Node
    from picluster.errors import PiclusterError
    from picluster.schema.plan import Plan

REACH_SECONDS = 9.0
"""To connect to a node and hear what is there."""
LEAVE_SECONDS = 10.0
WAIT_SECONDS = 2.0
"""Between two looks at a node that is busy."""


@dataclass(frozen=True)
class Cluster:
    """The nodes that a plan starts, each with the way to it."""

    transports: Mapping[str, Transport]
    notes: tuple[str, ...]
    """What a person should know, though it works."""


@contextmanager
def reached(
    nodes: Sequence[Node],
    plan: Plan,
    graph: Path,
    *,
    silence_seconds: float,
    wait: Callable[[str], None] | None = None,
) -> Iterator[Cluster]:
    """Connect to the nodes of a plan, and let go of them at the end.

    Args:
        nodes: of the inventory.
        plan: says which of them take part.
        graph: the graph folder.
        silence_seconds: a connection over which nothing is acknowledged for so long breaks.
        wait: called with the reason when nodes turn out to be busy, before waiting; without it that is an error.

    Raises:
        NodesFailed: some cannot be used; nothing was started anywhere.
    """
    taking_part = {node.name: node for node in nodes if node.name in plan.nodes}
    ways: dict[str, Transport] = {name: LocalTransport() for name, node in taking_part.items() if node.is_local}
    remote = {name: node for name, node in taking_part.items() if not node.is_local}
    try:
        entered = _enter_all(remote, silence_seconds)
        ways |= {name: way for name, way in entered.items() if isinstance(way, SshTransport)}
        machines = all_or_none(entered)
        seen = _find_fit(machines, remote, plan, graph, wait)
        packages = {name: seen[name].packages if name in seen else _packages_here() for name in ways}
        lacking = {name: without_engine(each, plan.engine) for name, each in packages.items()}
        if errors := {name: error for name, error in lacking.items() if error}:
            raise NodesFailed(errors)
        if machines:
            _address(ways, machines, taking_part, seen)
        yield Cluster({name: ways[name] for name in plan.nodes}, notes(seen))
    finally:
        try_all(ways, lambda name: ways[name].close(), timeout_seconds=LEAVE_SECONDS, doing="leaving")


def _packages_here() -> dict[str, str | None]:
    """What engines need, as far as this machine has it; nothing is imported."""
    names = (name for each in PACKAGES.values() for name in each)
    return {name: "here" if find_spec(name) else None for name in names}


def _enter_all(nodes: Mapping[str, Node], silence_seconds: float) -> dict[str, SshTransport | PiclusterError]:
    def enter(name: str) -> SshTransport:
        words = nodes[name].ssh_words
        connection = connect(name, resolve(words), silence_seconds=silence_seconds)
        return SshTransport(connection, StewardSession(connection), words)

    return try_all(nodes, enter, timeout_seconds=REACH_SECONDS, doing="connecting")


def _find_fit(
    machines: Mapping[str, SshTransport],
    nodes: Mapping[str, Node],
    plan: Plan,
    graph: Path,
    wait: Callable[[str], None] | None,
) -> dict[str, Seen]:
    """What is there on each node, when all of them are fit."""

    def look(name: str) -> Seen:
        return machines[name].look(nodes[name].home, nodes[name].cache, graph, plan.arrays_of(name))

    sizes = {file.name: file.stat().st_size for file in files_of(graph, DTYPES)}
    told = ""
    while True:
        seen = all_or_none(try_all(machines, look, timeout_seconds=REACH_SECONDS, doing="looking"))
        reasons = {name: unfit(each, nodes[name].home, sizes) for name, each in seen.items()}
        errors = {name: reason for name, reason in reasons.items() if reason}
        if not errors:
            return seen
        if wait is None or not all(isinstance(error, Busy) for error in errors.values()):
            raise NodesFailed(errors)
        if (reason := "; ".join(f"{name} is {error.what}" for name, error in errors.items())) != told:
            wait(told := reason)
        time.sleep(WAIT_SECONDS)


def _address(
    ways: Mapping[str, Transport],
    machines: Mapping[str, SshTransport],
    nodes: Mapping[str, Node],
    seen: Mapping[str, Seen],
) -> None:
    """Give every node's data plane its address and interface."""
    here = interfaces_here()
    interfaces = {name: seen[name].interfaces if name in seen else here for name in nodes}
    entered = {name: seen[name].ssh_address if name in seen else "" for name in nodes}
    meeting = {name: meet(node, entered[name], interfaces[name]) for name, node in nodes.items()}
    outcomes = try_all(
        nodes,
        lambda name: settle(nodes[name], meeting, interfaces[name], lambda: machines[name].steward),
        timeout_seconds=REACH_SECONDS,
        doing="finding its routes",
    )
    for name, (address, interface) in all_or_none(outcomes).items():
        ways[name].address, ways[name].interface = address, interface
