"""MPI: point-to-point messages of mpi4py over Open MPI's TCP, between workers that are themselves the MPI processes.

One thread makes all calls of MPI. Open MPI waits by polling without rest, which would take a Pi's core from the
training: so the thread only asks, and sleeps between.
"""

from __future__ import annotations

import os
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from picluster.errors import PeerLost
from picluster.worker.engines.base import CONNECT_TIMEOUT, PEER_TIMEOUT, Bytes, Peers, empty_bytes
from picluster.worker.engines.mpi.start import Membership

SHORTEST_NAP_SECONDS = 50e-6
LONGEST_NAP_SECONDS = 1e-3
_NAP_SHARE = 1 / 16
"""Share of the time that nothing has happened: so long may a message lie unnoticed."""
_WATCH_SECONDS = 0.2
_MEETING = 1 << 10
"""A tag that is no channel's."""


class MpiSending:
    """A message and its request, held until the other side has taken it."""

    def __init__(self, engine: MpiEngine, to: int, channel: int, message: Bytes) -> None:
        self.to, self.channel, self.message = to, channel, message
        self.request: Any = None
        """MPI's own; none before the thread has begun with it."""
        self.is_taken = False
        self._engine = engine

    def wait(self) -> None:
        """Return when it has been taken; raises PeerLost."""
        self._engine.wait_for(lambda: self.is_taken, PEER_TIMEOUT.total_seconds(), f"worker {self.to}")


class MpiEngine(threading.Thread):
    """A message is taken from a peer when the one before it on its channel has been received: one waits here, at most.

    Sends are synchronous, in MPI's sense: they end when the other side takes them.
    """

    def __init__(self, peers: Peers) -> None:
        super().__init__(name="mpi", daemon=True)
        self._is_connected = False
        self._changed = threading.Condition()
        self._stirred = threading.Event()
        self._posted: deque[MpiSending] = deque()
        self._under_way: list[MpiSending] = []
        self._inboxes: dict[tuple[int, int], _Inbox] = {}
        self._peer: int | None = None
        self._finishing = False
        self._failure: Exception | None = None
        self._idle_since = self._watched = 0.0
        self._membership = Membership(peers)
        os.environ.update(
            # Plain TCP also within one host, where shared memory would hide what crosses.
            OMPI_MCA_pml="ob1",
            OMPI_MCA_btl="tcp,self",
            OMPI_MCA_btl_tcp_if_include=peers.interface,
            # Others take nodes for one where all have the same name, as freshly flashed Pis do, and then hang.
            OMPI_MCA_coll="basic,libnbc",
        )
        self.start()
        self.wait_for(lambda: self._is_connected, CONNECT_TIMEOUT.total_seconds(), "everybody")
        self._membership.shut()

    def send(self, to: int, channel: int, message: Bytes) -> MpiSending:
        """Begin to send `message`; see `Engine.send`."""
        sending = MpiSending(self, to, channel, message)
        self._posted.append(sending)
        self._stirred.set()
        return sending

    def receive(self, source: int, channel: int) -> Bytes:
        """The next message of that worker; see `Engine.receive`."""
        inbox = self._inboxes.setdefault((source, channel), _Inbox())
        self._stirred.set()
        self.wait_for(lambda: inbox.messages, PEER_TIMEOUT.total_seconds(), f"worker {source}")
        message = inbox.messages.popleft()
        self._stirred.set()
        return message

    def close(self) -> None:
        """Leave MPI when all that was sent has been taken; returns when Open MPI has ended here."""
        self._finishing = True
        self._stirred.set()
        self.join()
        self._membership.close()

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

    def run(self) -> None:
        """Make all calls of MPI until the engine closes, or something fails."""
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
        self._meet(world, mpi.BYTE)
        self._is_connected = True
        self._notify()
        while not self._finishing or self._posted or self._under_way:
            moved = [self._begin(world, mpi.BYTE), self._complete(), self._collect(world, mpi.BYTE)]
            self._rest(any(moved))
        mpi.Finalize()

    def _meet(self, world: Any, byte: Any) -> None:
        """Exchange an empty message with every other worker: by itself Open MPI connects two at their first message."""
        others = [rank for rank in range(world.size) if rank != world.rank]
        hails = [world.Isend([bytearray(), byte], each, tag=_MEETING) for each in others]
        hails += [world.Irecv([bytearray(), byte], each, tag=_MEETING) for each in others]
        while not all(hail.Test() for hail in hails):
            time.sleep(LONGEST_NAP_SECONDS)

    def _begin(self, world: Any, byte: Any) -> bool:
        """Hand new messages to MPI."""
        began = bool(self._posted)
        while self._posted:
            sending = self._posted.popleft()
            self._peer = sending.to
            sending.request = world.Issend([sending.message, byte], sending.to, tag=sending.channel)
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
            self._notify()
        return moved

    def _collect(self, world: Any, byte: Any) -> bool:
        """Take the next message of each channel that is in use, where none is waiting."""
        arrived = False
        for (source, channel), inbox in list(self._inboxes.items()):
            self._peer = source
            if inbox.arriving is None and not inbox.messages:
                matched = world.Improbe(source, channel, self._status)
                if matched is not None:
                    message = empty_bytes(self._status.Get_count(byte))
                    inbox.arriving = message, matched.Irecv([message, byte])
            if inbox.arriving is not None and inbox.arriving[1].Test():
                inbox.messages.append(inbox.arriving[0])
                inbox.arriving = None
                arrived = True
        if arrived:
            self._notify()
        return arrived

    def _rest(self, has_moved: bool) -> None:
        """Sleep a share of the time since something happened, or until another thread wants something."""
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

    def _notify(self) -> None:
        with self._changed:
            self._changed.notify_all()

    def _fail(self, error: Exception) -> None:
        self._failure = error
        self._notify()


@dataclass
class _Inbox:
    messages: deque[Bytes] = field(default_factory=deque)
    arriving: tuple[Bytes, Any] | None = None
    """A message and MPI's request for it."""
