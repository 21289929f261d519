"""Bytes that this process's TCP sockets carried, as the kernel counts them (Linux: TCP_INFO).

Looking through all descriptors takes many times longer than asking a few sockets, and steps can be short: so sockets
are kept once they are found, and looked for again when the number of descriptors has changed.
"""

from __future__ import annotations

import os
import socket
import stat
import struct
import time
from pathlib import Path
from typing import NamedTuple

LOOK_SECONDS = 0.05
"""Readings that follow one another closer than this do not each look for new sockets: what these carry is counted at
the next look, and it is missed only of a connection that comes and goes between two looks."""
SEARCH_SECONDS = 1.0
"""All descriptors are looked through at least so often: a socket may have come for something else that went."""

# struct tcp_info of linux/tcp.h: bytes received; bytes that wait to be sent; bytes sent, and of these sent again. The
# last two came with Linux 4.19.
TCP_INFO = struct.Struct("=128xQ8xI52xQQ")
_DESCRIPTORS = Path("/proc/self/fd")


class SocketBytes(NamedTuple):
    """Totals since the connections were made; without TCP/IP headers and retransmissions."""

    sent: int
    received: int


def carried(information: bytes) -> SocketBytes:
    """From the kernel's `tcp_info`. What waits in a socket's buffer counts as sent: nobody can take it back."""
    received, waiting, sent, again = TCP_INFO.unpack_from(information)
    return SocketBytes(sent - again + waiting, received)


class SocketCounter:
    """Adds up what all TCP sockets of this process carry; what a closed one carried stays counted. For one thread.

    It holds a copy of each socket's descriptor: what the copy tells is that socket's, whatever becomes of the number.
    So a peer learns that a connection was closed only at the next search, or when all counters are gone.
    """

    def __init__(self) -> None:
        self._told = hasattr(socket, "TCP_INFO") and _DESCRIPTORS.is_dir()
        self._folder = os.open(_DESCRIPTORS, os.O_RDONLY) if self._told else -1
        self._copies: dict[int, socket.socket] = {}  # by inode
        self._closed = SocketBytes(0, 0)
        self._descriptors = 0
        self._look_time = self._search_time = 0.0

    def __del__(self) -> None:
        if self._told:
            os.close(self._folder)
        for copy in self._copies.values():
            copy.close()

    def read(self, *, at_least: int = 0) -> SocketBytes | None:
        """Totals so far; None where the platform does not tell.

        Where less than `at_least` bytes seem to have been sent, all descriptors are looked through before that is
        believed.
        """
        if not self._told:
            return None
        now = time.monotonic()
        if at_least and _total(self._closed, self._copies).sent < at_least:
            self._look_time = self._search_time = 0.0
        if now >= self._look_time:
            self._look(now)
            self._look_time = now + LOOK_SECONDS
        return _total(self._closed, self._copies)

    def _look(self, now: float) -> None:
        if now >= self._search_time or self._number_of_descriptors() != self._descriptors:
            self._search()
            self._descriptors, self._search_time = self._number_of_descriptors(), now + SEARCH_SECONDS

    def _number_of_descriptors(self) -> int:
        """From Linux 6.2 on it is the folder's size; counting them takes longer."""
        return os.fstat(self._folder).st_size or len(_descriptors())

    def _search(self) -> None:
        """Copy the connections that are new, and let those go that only live on in the copy."""
        copies = {copy.fileno() for copy in self._copies.values()}
        numbers = [number for number in _descriptors() if number not in copies]
        found = {inode: number for number in numbers if (inode := _inode_of_socket(number)) is not None}
        closed = {inode: self._copies.pop(inode) for inode in self._copies.keys() - found.keys()}
        self._closed = _total(self._closed, closed)
        for copy in closed.values():
            copy.close()
        for inode in found.keys() - self._copies.keys():
            connection = _copy_of_connection(found[inode], inode)
            if connection is not None:
                self._copies[inode] = connection


def _descriptors() -> list[int]:
    return [int(name) for name in os.listdir(_DESCRIPTORS)]  # noqa: PTH208  a path for each of them takes far longer


def _total(before: SocketBytes, connections: dict[int, socket.socket]) -> SocketBytes:
    sent, received = before
    for connection in connections.values():
        more = carried(_information(connection))
        sent += more.sent
        received += more.received
    return SocketBytes(sent, received)


def _information(connection: socket.socket) -> bytes:
    return connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, TCP_INFO.size)


def _inode_of_socket(descriptor: int) -> int | None:
    """A socket keeps its inode whatever its descriptors; None for everything else."""
    try:
        status = os.fstat(descriptor)
    except OSError:  # the descriptor was closed meanwhile
        return None
    return status.st_ino if stat.S_ISSOCK(status.st_mode) else None


def _copy_of_connection(descriptor: int, inode: int) -> socket.socket | None:
    """A copy that stays open; None for what is no TCP connection, or no longer the socket of that inode."""
    try:
        copy = socket.socket(fileno=os.dup(descriptor))
    except OSError:
        return None
    if (
        _inode_of_socket(copy.fileno()) == inode
        and copy.family in (socket.AF_INET, socket.AF_INET6)
        and copy.type == socket.SOCK_STREAM
        and not copy.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
        and len(_information(copy)) == TCP_INFO.size
    ):
        return copy
    copy.close()
    return None
