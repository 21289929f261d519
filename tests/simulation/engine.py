"""The data plane of simulated workers: messages that take time, get lost with a node, or wait for a cut link."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from picluster.errors import PeerLost
from picluster.worker.engines.base import Bytes

if TYPE_CHECKING:
    from picluster.schema.job import Start
    from tests.simulation.connections import Connection
    from tests.simulation.scheduler import Process
    from tests.simulation.world import Node, World

WORK_SECONDS = (0.005, 0.08)
"""Time that a role computes before it sends or receives."""
CONNECT_SECONDS = 120.0


class SimulatedSending:
    """A message on its way: done when the other side has taken it, or has it where that is not waited for."""

    def __init__(self, engine: SimulatedEngine, to: int) -> None:
        self.is_done, self._engine, self._to = False, engine, to

    def wait(self) -> None:
        self._engine.wait_for(self._to, f"taken by {self._to}", lambda: self.is_done)


class SimulatedEngine:
    """Engine of one worker; it has a connection to each of the others."""

    def __init__(self, world: World, node: Node, rank: int) -> None:
        self.node, self.rank = node, rank
        self.connections: dict[int, tuple[Connection, int]] = {}
        """By the other's rank: the connection, and which side of it is this one's."""
        self._world = world
        self._inbox: dict[tuple[int, int], deque[tuple[Bytes, SimulatedSending]]] = defaultdict(deque)
        self._has_left: set[int] = set()

    def take(self, source: int, thing: tuple[int, Bytes, SimulatedSending] | None) -> None:
        """Take what arrives from another worker."""
        if thing is None:
            self._has_left.add(source)
        else:
            channel, message, sending = thing
            self._inbox[source, channel].append((message, sending))

    def send(self, to: int, channel: int, message: Bytes) -> SimulatedSending:
        self._compute(f"send {to} {channel} {len(message)}")
        if to in self._has_left:
            raise PeerLost(f"lost worker {to}")
        connection, side = self.connections[to]
        connection.send(side, (channel, message, sending := SimulatedSending(self, to)))
        return sending

    def receive(self, source: int, channel: int) -> Bytes:
        self._compute(f"receive {source} {channel}")
        inbox = self._inbox[source, channel]
        self.wait_for(source, f"message {source} {channel}", lambda: bool(inbox))
        message, sending = inbox.popleft()
        # The other side learns of it a little later; as this changes no bit it does so at once.
        sending.is_done = True
        return message

    def wait_for(self, peer: int, what: str, is_there: Callable[[], bool]) -> None:
        """Wait for a peer. PeerLost where it has left before."""
        self._world.scheduler.wait(what, lambda: is_there() or peer in self._has_left)
        if not is_there():
            raise PeerLost(f"lost worker {peer}")

    def break_off(self) -> None:
        """Close all connections, as the end of the process does."""
        for connection, side in self.connections.values():
            connection.end(side)

    def close(self) -> None:
        self._world.scheduler.pause("leave")

    def _compute(self, what: str) -> None:
        seconds = self._world.dice.uniform(*WORK_SECONDS) * self.node.slowness
        self._world.scheduler.sleep(seconds, what)


class Meeting:
    """The workers of one attempt find each other."""

    def __init__(self) -> None:
        self.engines: dict[int, SimulatedEngine] = {}


def meet(world: World, node: Node, process: Process, start: Start, rank: int) -> SimulatedEngine:
    """Join the other workers of an attempt; returns when all have come."""
    meeting: Meeting = world.meetings.setdefault(start.token, Meeting())
    engine = SimulatedEngine(world, node, rank)
    for other, peer in meeting.engines.items():
        takers: Any = (partial(engine.take, other), partial(peer.take, rank))
        made = world.connect((node, peer.node), takers, (start.silence_seconds, start.silence_seconds))
        engine.connections[other], peer.connections[rank] = (made, 0), (made, 1)
    meeting.engines[rank] = engine
    process.at_end.append(engine.break_off)
    if not world.scheduler.wait("peers", lambda: len(engine.connections) == len(start.endpoints) - 1, CONNECT_SECONDS):
        raise PeerLost("not all workers came")
    if world.training_began is None:
        world.training_began = world.scheduler.steps
    return engine
