"""The machines of several nodes at once: entered, looked at, and let go of. Each gives its outcome or its error.

`NodeSurvey` does so before anything is planned.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from picluster.controller.nodes.fan_out import parted, try_all
from picluster.controller.nodes.inventory import Node, RemoteNode
from picluster.controller.nodes.local import LocalMachine
from picluster.controller.nodes.machine import Machine
from picluster.errors import PiclusterError
from picluster.schema.facts import NodeFacts
from picluster.system import SYSTEM, System

REACH_SECONDS = 9.0
"""To connect to a node, and again to hear what is there."""
LEAVE_SECONDS = 10.0
SURVEY_SECONDS = 6.0
"""A node that a survey has not reached by then is one of which nothing is known; who starts it will say why."""


def new_machine(node: Node) -> Machine:
    """The machine of a node, not entered yet."""
    if not isinstance(node, RemoteNode):
        return LocalMachine(node)
    from picluster.controller.nodes.remote import RemoteMachine  # paramiko takes a quarter of a second

    return RemoteMachine(node)


@dataclass(frozen=True)
class Means:
    """Means to reach nodes, which a simulation replaces."""

    machine: Callable[[Node], Machine] = new_machine
    """Makes the machine of a node, not entered yet."""
    system: System = SYSTEM

    def machines_of(self, nodes: Iterable[Node]) -> dict[str, Machine]:
        """The machine of each node by its name; not entered yet."""
        return {node.name: self.machine(node) for node in nodes}


MEANS = Means()


def machines_of(nodes: Iterable[Node]) -> dict[str, Machine]:
    """The machine of each node by its name; not entered yet."""
    return MEANS.machines_of(nodes)


def visited_as(machines: Mapping[str, Machine]) -> dict[str, str]:
    """For each node the one that is visited in its place: processes of this machine are all the first of them."""
    first: dict[str, str] = {}
    return {name: first.setdefault(name if each.is_exclusive else "", name) for name, each in machines.items()}


def enter_all(
    machines: Mapping[str, Machine],
    silence_seconds: float | None = None,
    timeout_seconds: float = REACH_SECONDS,
    system: System = SYSTEM,
) -> dict[str, Machine | PiclusterError]:
    """Connect to all of them; see `Machine.enter`."""

    def enter(name: str) -> Machine:
        machines[name].enter(silence_seconds=silence_seconds)
        return machines[name]

    return try_all(machines, enter, timeout_seconds=timeout_seconds, doing="connecting", system=system)


def look_all(
    machines: Mapping[str, Machine],
    graph: str,
    wanted: Callable[[str], Mapping[str, Sequence[int]]],
    system: System = SYSTEM,
) -> dict[str, NodeFacts | PiclusterError]:
    """Facts of each machine; `wanted` gives a node's files of the graph, see `shipping.state_of`."""
    return try_all(
        machines,
        lambda name: machines[name].look(graph, wanted(name)),
        timeout_seconds=REACH_SECONDS,
        doing="looking",
        system=system,
    )


def leave_all(machines: Mapping[str, Machine], *, for_good: bool = True, system: System = SYSTEM) -> None:
    """Let go of all of them; see `Machine.close`."""
    try_all(
        machines,
        lambda name: machines[name].close(for_good=for_good),
        timeout_seconds=LEAVE_SECONDS,
        doing="leaving",
        system=system,
    )


class NodeSurvey:
    """Facts of some nodes, and the machines of those that told them, which keep their connection if they then start."""

    def __init__(self, nodes: Sequence[Node], *, silence_seconds: float, means: Means = MEANS) -> None:
        """Reach all of them; a connection over which nothing is acknowledged for so long breaks."""
        self._means, machines = means, means.machines_of(nodes)
        self._machines, unreached = parted(enter_all(machines, silence_seconds, SURVEY_SECONDS, means.system))
        self.facts, unseen = parted(look_all(self._machines, "", lambda _: {}, means.system))
        """Facts by the node's name, of those that told them."""
        self.errors = unreached | unseen
        """Reasons why others could not be looked at."""

    def take(self, nodes: Iterable[Node]) -> dict[str, Machine]:
        """The machine of each node, entered already where it told its facts; the caller lets go of it. Once."""
        told = {node.name: self._machines.pop(node.name, None) for node in nodes if node.name in self.facts}
        self.close()
        return {node.name: told.get(node.name) or self._means.machine(node) for node in nodes}

    def close(self) -> None:
        """Let go of the machines that nobody took."""
        leave_all(self._machines, system=self._means.system)
        self._machines = {}
