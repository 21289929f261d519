"""The one thread that makes all calls of MPI, and what it brings and takes.

Open MPI waits by polling without rest, which would take a Pi's core from the training: so the thread only asks, and
sleeps between.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch

from picluster.errors import PeerLost
from picluster.worker.engines.base import PEER_TIMEOUT

if TYPE_CHECKING:
    from torch import Tensor

    from picluster.worker.engines.mpi.start import Membership

SHORTEST_NAP_SECONDS = 50e-6
LONGEST_NAP_SECONDS = 1e-3
_NAP_SHARE = 1 / 16
"""Share of the time that nothing has happened: so long may a message lie unnoticed."""
_WATCH_SECONDS = 0.2


class MpiSending:
    """Holds the message and its request until the other side has taken it."""

    def __init__(self, postman: Postman, to: int, channel: int, message: Tensor) -> None:
        self.to, self.channel, self.message = to, channel, message
        self.request: Any = None
        """MPI's own; none before the thread has begun with it."""
        self.is_taken = False
        self._postman = postman

    def wait(self) -> None:
        """Return when it has; raises PeerLost."""
        self._postman.wait_for(lambda: self.is_taken, PEER_TIMEOUT.total_seconds(), f"worker {self.to}")


class Postman(threading.Thread):
    """Makes all calls of MPI; the others leave their wishes with it and wait for them to come true."""

    def __init__(self, membership: Membership) -> None:
        super().__init__(name="mpi", daemon=True)
        self.is_connected = False
        self._membership = membership
        self._changed = threading.Condition()
        self._stirred = threading.Event()
        self._posted: deque[MpiSending] = deque()
        self._under_way: list[MpiSending] = []
        self._mailboxes: dict[tuple[int, int], _Inbox] = {}
        self._peer: int | None = None
        self._finishing = False
        self._failure: Exception | None = None
        self._idle_since = self._watched = 0.0

    def post(self, sending: MpiSending) -> None:
        """Send that message."""
        self._posted.append(sending)
        self._stirred.set()

    def receive(self, source: int, channel: int) -> Tensor:
        """Wait for the next message (n,) uint8."""
        mailbox = self._mailboxes.setdefault((source, channel), _Inbox())
        self._stirred.set()
        self.wait_for(lambda: mailbox.messages, PEER_TIMEOUT.total_seconds(), f"worker {source}")
        message = mailbox.messages.popleft()
        self._stirred.set()
        return message

    def wait_for(self, predicate: Callable[[], object], timeout_seconds: float, whom: str) -> None:
        """Return when `predicate` holds; raises PeerLost, or what else has stopped the thread."""
        with self._changed:
            in_time = self._changed.wait_for(lambda: predicate() or self._failure, timeout_seconds)
        if predicate():
            return
        if not in_time:
            raise PeerLost(f"MPI waited {timeout_seconds:g} s for {whom}")
        assert self._failure is not None
        raise self._failure

    def finish(self) -> None:
        """Leave MPI when all that was posted has been taken."""
        self._finishing = True
        self._stirred.set()
        self.join()

    def run(self) -> None:
        """Make all calls of MPI until it is to finish, or something fails."""
        import mpi4py

        mpi4py.rc.initialize = False
        from mpi4py import MPI

        try:
            self._work(MPI)
        except MPI.Exception as error:
            self._fail(PeerLost(f"MPI lost {'a worker' if self._peer is None else f'worker {self._peer}'}: {error}"))
        except Exception as error:  # noqa: BLE001  whoever waits must hear of it, whatever it is
            self._fail(error)

    def _work(self, mpi: Any) -> None:
        mpi.Init_thread(mpi.THREAD_FUNNELED)
        self._status = mpi.Status()
        world = mpi.COMM_WORLD
        world.Set_errhandler(mpi.ERRORS_RETURN)  # mpi4py makes exceptions of them
        self.is_connected = True
        self._tell()
        while not self._finishing or self._posted or self._under_way:
            moved = [self._begin(world, mpi.BYTE), self._complete(), self._collect(world, mpi.BYTE)]
            self._rest(any(moved))
        mpi.Finalize()

    def _begin(self, world: Any, byte: Any) -> bool:
        """Hand new messages to MPI."""
        began = bool(self._posted)
        while self._posted:
            sending = self._posted.popleft()
            self._peer = sending.to
            sending.request = world.Issend([sending.message.numpy(), byte], sending.to, tag=sending.channel)
            self._under_way.append(sending)
        return began

    def _complete(self) -> bool:
        """See which messages have been taken."""
        left = []
        for sending in self._under_way:
            self._peer = sending.to
            sending.is_taken = sending.request.Test()
            if not sending.is_taken:
                left.append(sending)
        moved = len(left) < len(self._under_way)
        self._under_way = left
        if moved:
            self._tell()
        return moved

    def _collect(self, world: Any, byte: Any) -> bool:
        """Take the next message of each channel that is in use, where none is waiting."""
        arrived = False
        for (source, channel), mailbox in list(self._mailboxes.items()):
            self._peer = source
            if mailbox.arriving is None and not mailbox.messages:
                mailbox.arriving = self._match(world, byte, source, channel)
            if mailbox.arriving is not None and mailbox.arriving.request.Test():
                mailbox.messages.append(mailbox.arriving.message)
                mailbox.arriving = None
                arrived = True
        if arrived:
            self._tell()
        return arrived

    def _match(self, world: Any, byte: Any, source: int, channel: int) -> _Arriving | None:
        matched = world.Improbe(source, channel, self._status)
        if matched is None:
            return None
        message = torch.empty(self._status.Get_count(byte), dtype=torch.uint8)
        return _Arriving(message, matched.Irecv([message.numpy(), byte]))

    def _rest(self, has_moved: bool) -> None:
        """Sleep a share of the time since something happened, until somebody has a wish."""
        now = time.monotonic()
        if has_moved:
            self._idle_since = now
            return
        if now > self._watched + _WATCH_SECONDS:
            self._watched = now
            if self._membership.is_broken:
                raise PeerLost("Open MPI has ended the run's processes")
        nap = (now - self._idle_since) * _NAP_SHARE
        self._stirred.wait(min(max(nap, SHORTEST_NAP_SECONDS), LONGEST_NAP_SECONDS))
        self._stirred.clear()

    def _tell(self) -> None:
        with self._changed:
            self._changed.notify_all()

    def _fail(self, error: Exception) -> None:
        self._failure = error
        self._tell()


@dataclass
class _Arriving:
    message: Tensor
    request: Any


@dataclass
class _Inbox:
    messages: deque[Tensor] = field(default_factory=deque)
    arriving: _Arriving | None = None
