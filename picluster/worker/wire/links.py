"""Links of one role to the other roles of a run, in other workers or in its own: messages, and sums over replicas."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from queue import Queue

import torch
from torch import Tensor

from picluster.system import SYSTEM, System
from picluster.worker.engines.base import Engine, Sending
from picluster.worker.wire.messages import Message, pack, payload_bytes, unpack

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


@dataclass
class Clock:
    """Time that a role spent waiting and sending, and tensor bytes that it exchanged with other workers."""

    wait_seconds: float = 0.0
    send_seconds: float = 0.0
    sent_payload_bytes: int = 0
    received_payload_bytes: int = 0


class Mailroom:
    """Messages between the roles of one worker: they never leave the process."""

    def __init__(self, system: System = SYSTEM) -> None:
        self.queues: dict[Channel, Queue[Message]] = {channel: system.queue(LOOKAHEAD) for channel in Channel}


class Links:
    """Sends and receives for one role. Each role runs in one thread and has links of its own."""

    def __init__(self, engine: Engine, mailroom: Mailroom, rank: int, system: System = SYSTEM) -> None:
        self.rank = rank
        self._now = system.now
        self.clock = Clock()
        self._engine = engine
        self._queues = mailroom.queues
        self._sendings: dict[int, deque[Sending]] = defaultdict(deque)

    def send(self, to: int, channel: Channel, message: Message) -> None:
        """Send without waiting, unless `LOOKAHEAD` messages are still on their way to that worker."""
        begin = self._now()
        if to == self.rank:
            self._queues[channel].put(message)
        else:
            sendings = self._sendings[to]
            while len(sendings) >= LOOKAHEAD:
                sendings.popleft().wait()
            packed = pack(message)
            sendings.append(self._engine.send(to, channel, packed))
            self.clock.sent_payload_bytes += payload_bytes(packed)
        self.clock.send_seconds += self._now() - begin

    def receive(self, source: int, channel: Channel, place: tuple[int, ...]) -> Message:
        """The next message of that worker and channel; it must belong to `place`."""
        begin = self._now()
        if source == self.rank:
            message = self._queues[channel].get()
        else:
            packed = self._engine.receive(source, channel)
            message = unpack(packed)
            self.clock.received_payload_bytes += payload_bytes(packed)
        self.clock.wait_seconds += self._now() - begin
        if message.place != place:
            text = f"worker {source} sent {message.place} on channel {channel.name}, expected was {place}"
            raise AssertionError(text)
        return message

    def flush(self) -> None:
        """Return when all that was sent has been taken."""
        begin = self._now()
        for sendings in self._sendings.values():
            while sendings:
                sendings.popleft().wait()
        self.clock.send_seconds += self._now() - begin


def ring_sum(
    links: Links, ranks: Sequence[int], vector: Tensor, place: tuple[int, ...], channel: Channel = Channel.REDUCE
) -> None:
    """Sum `vector` (n,) over the workers `ranks`, in place: a ring of scatter-reduce, then one of gathering.

    Each worker sends 2 (R - 1) / R of the vector (Patarasuk and Yuan, "Bandwidth optimal all-reduce", 2009). It is
    written over plain messages so that every engine has it.
    """
    size = len(ranks)
    if size == 1:
        return
    place_in_ring = list(ranks).index(links.rank)
    following, before = ranks[(place_in_ring + 1) % size], ranks[(place_in_ring - 1) % size]
    chunks = torch.tensor_split(vector, size)
    for turn in range(2 * (size - 1)):
        # The chunk is changed in a later turn, perhaps before it has left: pack() has copied it by then.
        links.send(following, channel, Message(place, [chunks[(place_in_ring - turn) % size]]))
        received = links.receive(before, channel, place).tensors[0]
        target = chunks[(place_in_ring - turn - 1) % size]
        if turn < size - 1:
            target += received
        else:
            target.copy_(received)
