"""Bytes that this process and those below it exchange with others over TCP.

Messages of Ray are carried by processes that a worker starts. What stays within this tree of processes does not leave
its machine; what leaves the tree is what a network carries.
"""

from __future__ import annotations

import os
import time
from collections import Counter
from contextlib import suppress

from picluster.worker.measuring.kernel_sockets import Connection, SocketDiagnosis, SocketTraffic
from picluster.worker.measuring.memory import children

SEARCH_SHARE = 1 / 1000
"""Share of the time that searches for new connections may take. The first ones follow closer: each comes when twice as
much time has passed as before, since connections are made when they are first used."""
_SOCKET = "socket:["


class SocketCounter:
    """Adds up what the connections to others carry; what a closed one carried stays counted. For one thread.

    A new connection is noticed at the next search, with all that it has carried; one that comes and goes between two
    searches is missed, and so is what a connection carries between the last reading and its end.
    """

    def __init__(self) -> None:
        self._kernel: SocketDiagnosis | None = None
        with suppress(OSError, AttributeError):  # no such thing in this kernel, or on this platform
            self._kernel = SocketDiagnosis()
        self._connections: list[Connection] = []
        self._carried: list[SocketTraffic] = []
        self._inside = set[bytes]()
        self._closed = SocketTraffic(0, 0)
        self._closed_sending_us: Counter[bytes] = Counter()
        self._has_children = False
        self._start = time.monotonic()
        self._search_time = 0.0

    def read(self, *, at_least: int = 0) -> SocketTraffic | None:
        """Return the totals so far; None where the kernel does not tell.

        A total below `at_least` bytes sent is believed only after a search, unless processes below this one may have
        carried them in memory.
        """
        if self._kernel is None:
            return None
        try:
            self._update(self._kernel)
            total = _total(self._carried, self._closed)
            if total.sent < at_least and not self._has_children:
                self._search(self._kernel)
                total = _total(self._carried, self._closed)
        except OSError:
            self._kernel = None
            return None
        return total

    def sending_us(self) -> Counter[bytes]:
        """Time in µs, so far, with something on its way to each address: as of the last reading."""
        found = Counter(self._closed_sending_us)
        for connection, carried in zip(self._connections, self._carried, strict=True):
            found[connection.remote[0]] += carried.sending_us
        return found

    def _update(self, kernel: SocketDiagnosis) -> None:
        began = time.monotonic()
        if began < self._search_time:
            now = kernel.carried_by(self._connections)
            self._carried = [after or before for before, after in zip(self._carried, now, strict=True)]
            return
        self._search(kernel)
        ended = time.monotonic()
        self._search_time = ended + min((ended - began) / SEARCH_SHARE, ended - self._start)

    def _search(self, kernel: SocketDiagnosis) -> None:
        below = children()
        self._has_children = bool(below)
        own = {inode for process in (os.getpid(), *(child.pid for child in below)) for inode in _inodes_of(process)}
        found = self._to_others(kernel.all(), own)
        still_open, known = {each.request for each in found}, zip(self._connections, self._carried, strict=True)
        closed = [(each, carried) for each, carried in known if each.request not in still_open]
        self._closed = _total([carried for _, carried in closed], self._closed)
        for each, carried in closed:
            self._closed_sending_us[each.remote[0]] += carried.sending_us
        self._connections, self._carried = found, [each.carried for each in found]

    def _to_others(self, connections: list[Connection], own: set[int]) -> list[Connection]:
        """Select ours whose other end neither is ours nor may become so: nobody has accepted it yet."""
        ours = [each for each in connections if each.inode in own]
        other_ends = {(each.remote, each.local) for each in ours}
        # When one end of a connection within the tree is closed, the other end is still within it.
        was_inside = self._inside & {each.request for each in ours}
        self._inside = was_inside | {each.request for each in ours if (each.local, each.remote) in other_ends}
        not_accepted = {(each.remote, each.local) for each in connections if not each.inode}
        return [
            each for each in ours if each.request not in self._inside and (each.local, each.remote) not in not_accepted
        ]


def _inodes_of(process: int) -> set[int]:
    """List the inodes of a process's sockets."""
    found, folder = set(), f"/proc/{process}/fd"
    with suppress(OSError):  # it has ended
        for name in os.listdir(folder):  # noqa: PTH208  a path for each of them takes far longer
            with suppress(OSError):  # it was closed
                target = os.readlink(f"{folder}/{name}")  # noqa: PTH115  likewise
                if target.startswith(_SOCKET):
                    found.add(int(target[len(_SOCKET) : -1]))
    return found


def _total(parts: list[SocketTraffic], before: SocketTraffic) -> SocketTraffic:
    return SocketTraffic(
        before.sent + sum([each.sent for each in parts]), before.received + sum([each.received for each in parts])
    )
