"""An engine without sockets: the workers are threads of one process."""

from collections import defaultdict
from dataclasses import dataclass, field
from queue import Queue
from threading import Event, Lock

from picluster.worker.engines.base import Bytes

TIMEOUT_SECONDS = 20


class FakeSending:
    """Done when the message was taken."""

    def __init__(self) -> None:
        self.taken = Event()
        self.waits = 0

    def wait(self) -> None:
        self.waits += 1
        assert self.taken.wait(TIMEOUT_SECONDS), "nobody took the message"


@dataclass
class FakeNetwork:
    """What is under way; messages are not copied, so a sender that changes one too early is found out."""

    queues: dict[tuple[int, ...], Queue[tuple[Bytes, FakeSending]]] = field(default_factory=lambda: defaultdict(Queue))
    sendings: list[FakeSending] = field(default_factory=list)
    _lock: Lock = field(default_factory=Lock)

    def queue(self, *way: int) -> Queue[tuple[Bytes, FakeSending]]:
        """Of one source, target and channel; made by whichever side comes first."""
        with self._lock:
            return self.queues[way]

    def engine(self, rank: int) -> "FakeEngine":
        return FakeEngine(self, rank)


class FakeEngine:
    """Engine of one worker."""

    def __init__(self, network: FakeNetwork, rank: int) -> None:
        self._network = network
        self._rank = rank

    def send(self, to: int, channel: int, message: Bytes) -> FakeSending:
        sending = FakeSending()
        self._network.sendings.append(sending)
        self._network.queue(self._rank, to, channel).put((message, sending))
        return sending

    def receive(self, source: int, channel: int) -> Bytes:
        message, sending = self._network.queue(source, self._rank, channel).get(timeout=TIMEOUT_SECONDS)
        sending.taken.set()
        return message

    def close(self) -> None:
        """Nothing is open."""
