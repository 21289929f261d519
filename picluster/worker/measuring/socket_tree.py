"""Bytes that this process and all those below it exchange with others.

Ray's messages are carried by processes of its own, which a worker starts. What goes on within this tree of processes
stays on its machine; what leaves the tree is what a network carries.
"""

from __future__ import annotations

import os
import time
from contextlib import suppress

import psutil

from picluster.worker.measuring.socket_diagnosis import Connection, SocketDiagnosis
from picluster.worker.measuring.sockets import SocketBytes

SEARCH_SHARE = 1 / 200
"""Of the time: so much may go into searches for new connections, but for the first: each of these comes when twice as
much time has passed as before, since connections are made when they are first used."""
_SOCKET = "socket:["


class TreeCounter:
    """Adds up what the connections to others carry; what a closed one carried stays counted. For one thread.

    A new connection is noticed at the next search, with all that it has carried; one that comes and goes between two
    searches is missed.
    """

    def __init__(self) -> None:
        self._diagnosis: SocketDiagnosis | None = None
        with suppress(OSError):
            self._diagnosis = SocketDiagnosis()
        self._connections: list[Connection] = []
        self._carried: list[SocketBytes] = []
        self._inside = set[bytes]()
        self._closed = SocketBytes(0, 0)
        self._start = time.monotonic()
        self._search_time = 0.0

    def read(self, *, at_least: int = 0) -> SocketBytes | None:
        """Totals so far; None where the kernel does not tell.

        `at_least` is not heeded: within this machine, bytes may cross in memory.
        """
        del at_least
        if self._diagnosis is None:
            return None
        try:
            self._update(self._diagnosis)
        except OSError:
            self._diagnosis = None
            return None
        return _total([self._closed, *self._carried])

    def _update(self, diagnosis: SocketDiagnosis) -> None:
        began = time.monotonic()
        if began < self._search_time:
            now = diagnosis.carried_by(self._connections)
            self._carried = [after or before for before, after in zip(self._carried, now, strict=True)]
            return
        self._search(diagnosis)
        ended = time.monotonic()
        self._search_time = ended + min((ended - began) / SEARCH_SHARE, ended - self._start)

    def _search(self, diagnosis: SocketDiagnosis) -> None:
        found = self._to_others(diagnosis.all(), _own_inodes())
        open_ones = {each.identity for each in found}
        known = zip(self._connections, self._carried, strict=True)
        self._closed = _total([self._closed, *(carried for each, carried in known if each.identity not in open_ones)])
        self._connections, self._carried = found, [each.carried for each in found]

    def _to_others(self, connections: list[Connection], own: set[int]) -> list[Connection]:
        """Those of ours whose other end is not ours; nor one that nobody has taken yet, which may be."""
        ours = [each for each in connections if each.inode in own]
        others_ends = {(each.remote, each.local) for each in ours}
        # When one end of a connection within the tree is closed, the other end still is one.
        was_inside = self._inside & {each.identity for each in ours}
        self._inside = was_inside | {each.identity for each in ours if (each.local, each.remote) in others_ends}
        untaken = {(each.remote, each.local) for each in connections if not each.inode}
        return [each for each in ours if each.identity not in self._inside and (each.local, each.remote) not in untaken]


def _own_inodes() -> set[int]:
    """Of the sockets of this process and of all below it."""
    processes = [os.getpid(), *(child.pid for child in psutil.Process().children(recursive=True))]
    return {inode for process in processes for inode in _inodes_of(process)}


def _inodes_of(process: int) -> set[int]:
    found, folder = set(), f"/proc/{process}/fd"
    with suppress(OSError):  # it has ended
        for name in os.listdir(folder):  # noqa: PTH208  a path for each of them takes far longer
            with suppress(OSError):  # it was closed
                target = os.readlink(f"{folder}/{name}")  # noqa: PTH115  likewise
                if target.startswith(_SOCKET):
                    found.add(int(target[len(_SOCKET) : -1]))
    return found


def _total(parts: list[SocketBytes]) -> SocketBytes:
    return SocketBytes(sum(part.sent for part in parts), sum(part.received for part in parts))
