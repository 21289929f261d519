"""Links of one role to the other roles of a run, in other workers or in its own: messages, and sums over replicas."""

from __future__ import annotations

from collections import Counter, defaultdict, deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from enum import IntEnum
from itertools import accumulate
from queue import Queue
from threading import Lock
from typing import TYPE_CHECKING, Literal

import numpy as np

from picluster.system import SYSTEM, System
from picluster.worker.engines.base import Engine, Sending
from picluster.worker.wire.messages import Message, pack, payload_bytes, unpack
from picluster.worker.wire.tracer import Tracer

if TYPE_CHECKING:
    from numpy.typing import NDArray

LOOKAHEAD = 3
"""Messages on their way to one worker before the sender waits: how far the sampler runs ahead."""


class Channel(IntEnum):
    """Kind of a message; order holds within one channel of one pair."""

    BLOCKS = 1
    """Sampler → stage: ids and sampled neighbours."""
    FORWARD = 2
    """Stage → next stage: aggregated rows."""
    BACKWARD = 3
    """Stage → stage before: their gradients."""
    REDUCE = 4
    """Replica → replica of the same stage: parts of a sum."""
    VERDICT = 5
    """Last stage → stages, at the end of an epoch."""
    SAMPLER_VERDICT = 6
    """Last stage → samplers, likewise."""
    GOODBYE = 7
    """Worker → worker, at the end: a sum of nothing, complete when everybody is there."""
    TABLE = 8
    """Stage → whoever keeps the rows of all nodes, in exact inference."""


Occupation = Literal["computing", "sending", "waiting"]


class Clock:
    """Time that a role spent waiting and sending, and bytes of arrays that it exchanged with other workers.

    Where several threads work for the role, each moment counts once: it is spent waiting or sending only where no
    thread computes.
    """

    def __init__(self, now: Callable[[], float] = SYSTEM.now) -> None:
        self.wait_seconds = self.send_seconds = 0.0
        self.sent_payload_to = defaultdict[int, int](int)
        """Bytes by the worker to which they went."""
        self.received_payload_bytes = 0
        self._now, self._at, self._threads = now, 0.0, Counter[Occupation]()
        self._lock = Lock()  # not one of `System`: nobody ever waits while it is held

    @contextmanager
    def spent(self, occupation: Occupation) -> Iterator[None]:
        """Count the time of the calling thread as spent on that."""
        self._change(occupation, 1)
        try:
            yield
        finally:
            self._change(occupation, -1)

    def _change(self, occupation: Occupation, threads: int) -> None:
        with self._lock:
            now = self._now()
            if not self._threads["computing"]:
                if self._threads["sending"]:
                    self.send_seconds += now - self._at
                elif self._threads["waiting"]:
                    self.wait_seconds += now - self._at
            self._at = now
            self._threads[occupation] += threads


class Mailroom:
    """Messages between the roles of one worker: they never leave the process."""

    def __init__(self, system: System = SYSTEM) -> None:
        self.queues: dict[Channel, Queue[Message]] = {channel: system.queue(LOOKAHEAD) for channel in Channel}


class Links:
    """Sends and receives for one role. Each role has links of its own: one thread sends at a time, one receives."""

    def __init__(
        self, engine: Engine, mailroom: Mailroom, rank: int, system: System = SYSTEM, tracer: Tracer | None = None
    ) -> None:
        """`tracer` is told of every message, where a trace is asked for."""
        self.rank, self.tracer = rank, tracer
        self.clock = Clock(system.now)
        self._engine = engine
        self._queues = mailroom.queues
        self._sendings: dict[int, deque[Sending]] = defaultdict(deque)

    def send(self, to: int, channel: Channel, message: Message, room: int = LOOKAHEAD) -> None:
        """Send without waiting, unless `room` messages are still on their way to that worker."""
        begin = self.tracer.now() if self.tracer else 0.0
        with self.clock.spent("sending"):
            if to == self.rank:
                self._queues[channel].put(message)
                return
            sendings = self._sendings[to]
            while len(sendings) >= room:
                sendings.popleft().wait()
            packed = pack(message)
            sendings.append(self._engine.send(to, channel, packed))
            size = payload_bytes(packed)
            self.clock.sent_payload_to[to] += size
        if self.tracer:
            self.tracer.add("send", begin, message.place, peer=to, channel=channel.name, payload_bytes=size)

    def receive(self, source: int, channel: Channel, place: tuple[int, ...]) -> Message:
        """The next message of that worker and channel; it must belong to `place`."""
        begin, size = self.tracer.now() if self.tracer else 0.0, 0
        with self.clock.spent("waiting"):
            if source == self.rank:
                message = self._queues[channel].get()
            else:
                packed = self._engine.receive(source, channel)
                message, size = unpack(packed), payload_bytes(packed)
                self.clock.received_payload_bytes += size
        if self.tracer:
            self.tracer.add("receive", begin, place, peer=source, channel=channel.name, payload_bytes=size)
        if message.place != place:
            text = f"worker {source} sent {message.place} on channel {channel.name}, expected was {place}"
            raise AssertionError(text)
        return message

    def flush(self) -> None:
        """Return when all that was sent has been taken."""
        with self.clock.spent("sending"):
            for sendings in self._sendings.values():
                while sendings:
                    sendings.popleft().wait()


@np.errstate(over="ignore", invalid="ignore")  # whoever computes with the sums looks for what is no number
def ring_sum(
    links: Links,
    ranks: Sequence[int],
    vector: NDArray[np.float64],
    place: tuple[int, ...],
    channel: Channel = Channel.REDUCE,
    rounded: int = 0,
) -> None:
    """Sum `vector` (n,) over the workers `ranks`, in place: a ring of scatter-reduce, then one of gathering.

    The first `rounded` of the sums are rounded to fp32, and gathered so. Each worker sends (R - 1) / R of the vector,
    and then as much again, or half as many bytes of fp64 values where all are rounded (Patarasuk and Yuan, "Bandwidth
    optimal all-reduce", 2009). It is written over plain messages so that every engine has it.
    """
    size = len(ranks)
    if size == 1:
        return
    at = list(ranks).index(links.rank)
    following, before = ranks[(at + 1) % size], ranks[(at - 1) % size]
    chunks = np.array_split(vector, size)
    # A chunk that is sent may be changed in a later turn, perhaps before it has left: pack() has copied it by then.
    for turn in range(size - 1):
        links.send(following, channel, Message(place, [chunks[(at - turn) % size]]))
        chunks[(at - turn - 1) % size] += links.receive(before, channel, place).arrays[0]
    begins = [0, *accumulate(map(len, chunks))]
    halves = [np.split(chunk, [max(0, rounded - begin)]) for chunk, begin in zip(chunks, begins, strict=False)]
    halves[(at + 1) % size][0][...] = halves[(at + 1) % size][0].astype(np.float32)  # as all others will have it
    for turn in range(size - 1):
        in_fp32, exact = halves[(at + 1 - turn) % size]
        links.send(following, channel, Message(place, [in_fp32.astype(np.float32), exact]))
        received = links.receive(before, channel, place).arrays
        for half, values in zip(halves[(at - turn) % size], received, strict=True):
            half[...] = values
