"""The meeting of a run's workers: each calls those of lower rank and answers the others. Strangers get nothing."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial

from picluster.errors import PeerLost
from picluster.worker.engines.base import CONNECT_TIMEOUT, Peers
from picluster.worker.engines.sockets.proof import NotProvenError, ProvenConnection, answer, call

STRANGER_SECONDS = 5.0
"""Time in which whoever connects must have proven itself."""
MOST_UNPROVEN = 64
"""Connections that may be at their proof together; with one more the oldest is closed."""
_MEETING_SECONDS = CONNECT_TIMEOUT.total_seconds()
_CALL_SECONDS = 30.0
_PAUSE_SECONDS = 0.1


class Meeting:
    """Calls and answers, each in a thread of its own: whoever is slow or silent holds up nobody else."""

    def __init__(self, peers: Peers) -> None:
        self._peers = peers
        self._met: dict[int, ProvenConnection] = {}
        self._unproven: list[socket.socket] = []
        self._changed = threading.Condition()
        self._is_over = False

    def connect(self) -> list[ProvenConnection]:
        """Meet all other workers. Nothing listens any more when this returns. PeerLost where some do not come."""
        peers, listener = self._peers, self._peers.listener
        for rank in range(peers.rank):
            threading.Thread(target=self._call, args=(rank,), name=f"call {rank}", daemon=True).start()
        if listener is not None:
            threading.Thread(target=self._answer_all, args=(listener,), name="answer", daemon=True).start()
        everybody = set(range(peers.world_size)) - {peers.rank}
        with self._changed:
            self._changed.wait_for(lambda: self._met.keys() == everybody, _MEETING_SECONDS)
            self._is_over = True
            for stranger in self._unproven:
                _hang_up(stranger)
        if listener is not None:
            with suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)  # the thread that accepts wakes up
            listener.close()
        if missing := everybody - self._met.keys():
            names = ", ".join(peers.endpoints[rank].node for rank in sorted(missing))
            raise PeerLost(f"no connection with {names} within {_MEETING_SECONDS:g} s")
        return list(self._met.values())

    def _take_in(self, connection: ProvenConnection) -> None:
        """Keep a proven connection, unless it comes too late. Who calls again has lost the one before."""
        with self._changed:
            dropped = connection if self._is_over else self._met.get(connection.rank)
            if not self._is_over:
                self._met[connection.rank] = connection
                self._changed.notify_all()
        if dropped is not None:
            dropped.socket.close()

    def _call(self, rank: int) -> None:
        """Connect to a worker that listens, again and again."""
        own, other = self._peers.address, self._peers.endpoints[rank]
        while not self._is_over:
            proven = None
            with suppress(OSError):
                called = socket.create_connection((other.address, other.port or 0), _CALL_SECONDS, (own, 0))
                proven = _prove(called, partial(call, to=rank), self._peers, _CALL_SECONDS)
            if proven is not None:
                self._take_in(proven)
                return
            time.sleep(_PAUSE_SECONDS)

    def _answer_all(self, listener: socket.socket) -> None:
        """Let those at the door prove who they are."""
        known = {each.address for each in self._peers.endpoints}
        while not self._is_over:
            try:
                caller, (address, *_) = listener.accept()
            except OSError:  # it is over, or a caller has gone again already
                time.sleep(_PAUSE_SECONDS)
                continue
            if address not in known:
                caller.close()
                continue
            with self._changed:
                if len(self._unproven) >= MOST_UNPROVEN:
                    _hang_up(self._unproven.pop(0))
                self._unproven.append(caller)
            threading.Thread(target=self._answer, args=(caller,), name="prove", daemon=True).start()

    def _answer(self, caller: socket.socket) -> None:
        proven = _prove(caller, answer, self._peers, STRANGER_SECONDS)
        with self._changed:  # from now on nobody hangs up on it
            if caller in self._unproven:
                self._unproven.remove(caller)
        if proven is not None:
            self._take_in(proven)


def _prove(
    connection: socket.socket, prove: Callable[..., ProvenConnection], peers: Peers, timeout_seconds: float
) -> ProvenConnection | None:
    """The connection with its proof; None where that fails, and it is closed."""
    try:
        return prove(connection, token=peers.token, rank=peers.rank, deadline=time.monotonic() + timeout_seconds)
    except (OSError, NotProvenError):
        connection.close()
        return None


def _hang_up(connection: socket.socket) -> None:
    """Wake whoever waits for it, who then closes it."""
    with suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
