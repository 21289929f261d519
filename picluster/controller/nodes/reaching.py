"""The machines of several nodes at once: entered, looked at, and let go of. Each gives its outcome or its error."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from picluster.controller.nodes.fan_out import try_all
from picluster.controller.nodes.inventory import Node, RemoteNode
from picluster.controller.nodes.local import LocalMachine
from picluster.controller.nodes.machine import Machine
from picluster.controller.nodes.remote import RemoteMachine
from picluster.errors import PiclusterError
from picluster.schema.facts import NodeFacts

REACH_SECONDS = 9.0
"""To connect to a node, and again to hear what is there."""
LEAVE_SECONDS = 10.0


def new_machine(node: Node) -> Machine:
    """The machine of a node, not entered yet."""
    return RemoteMachine(node) if isinstance(node, RemoteNode) else LocalMachine(node)


def machines_of(nodes: Iterable[Node]) -> dict[str, Machine]:
    """The machine of each node by its name; not entered yet."""
    return {node.name: new_machine(node) for node in nodes}


def visited_as(machines: Mapping[str, Machine]) -> dict[str, str]:
    """For each node the one that is visited in its place: processes of this machine are all the first of them."""
    first: dict[str, str] = {}
    return {name: first.setdefault(name if each.is_exclusive else "", name) for name, each in machines.items()}


def enter_all(
    machines: Mapping[str, Machine], silence_seconds: float | None = None, timeout_seconds: float = REACH_SECONDS
) -> dict[str, Machine | PiclusterError]:
    """Connect to all of them; see `Machine.enter`."""

    def enter(name: str) -> Machine:
        machines[name].enter(silence_seconds=silence_seconds)
        return machines[name]

    return try_all(machines, enter, timeout_seconds=timeout_seconds, doing="connecting")


def look_all(
    machines: Mapping[str, Machine], graph: str, wanted: Callable[[str], Mapping[str, Sequence[int]]]
) -> dict[str, NodeFacts | PiclusterError]:
    """Facts of each machine; `wanted` gives a node's files of the graph, see `shipping.state_of`."""
    return try_all(
        machines, lambda name: machines[name].look(graph, wanted(name)), timeout_seconds=REACH_SECONDS, doing="looking"
    )


def leave_all(machines: Mapping[str, Machine]) -> None:
    """Let go of all of them."""
    try_all(machines, lambda name: machines[name].close(), timeout_seconds=LEAVE_SECONDS, doing="leaving")
