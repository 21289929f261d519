"""What the kernel tells of the TCP connections of all processes (Linux: sock_diag, which `ss` asks as well).

No descriptor is copied: what belongs to other processes closes when they close it. No right is needed.
"""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Sequence
from typing import NamedTuple

from picluster.worker.measuring.sockets import TCP_INFO, SocketBytes, carried

_SOCK_DIAG = 4  # of linux/netlink.h and linux/sock_diag.h
_BY_FAMILY = 20
_HEADER = struct.Struct("=IHHII")
_ASK, _ASK_FOR_ALL = 0x1, 0x301
_ERROR, _END = 2, 3
_CODE = struct.Struct("=i")
# Of linux/inet_diag.h: the request, a connection up to its attributes, and an attribute's header. 2: TCP_INFO.
_REQUEST = struct.Struct("=BBBxI48s")
_CONNECTION = struct.Struct("=B3x48s16xI")
_ENDS = struct.Struct(">HH16s16s")
_ATTRIBUTE = struct.Struct("=HH")
_INFO = 2
_OPEN = 1 << 1 | 1 << 8  # established, or closed by the other side alone
_MAPPED = bytes(10) + b"\xff\xff"
_LARGEST_BYTES = 1 << 17
_AT_ONCE = 64
"""Questions whose answers fit into the socket's buffer together."""

End = tuple[bytes, int]
"""Address and port; an IPv4 address has 4 bytes, also where it is written as one of IPv6."""


class Connection(NamedTuple):
    """One end of a TCP connection on this machine."""

    family: int
    identity: bytes
    """By which the kernel knows it; never given again."""
    inode: int
    """Of the socket; 0 where no process has taken it yet."""
    local: End
    remote: End
    carried: SocketBytes
    """Since it was made."""


class SocketDiagnosis:
    """A conversation with the kernel. It answers at once, so nothing here waits."""

    def __init__(self) -> None:
        """Raises OSError where the kernel has no such conversation."""
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_NONBLOCK, _SOCK_DIAG)

    def __del__(self) -> None:
        if hasattr(self, "_socket"):
            self._socket.close()

    def all(self) -> list[Connection]:
        """All open connections of this network namespace; raises OSError where the kernel does not tell."""
        found = []
        for family in (socket.AF_INET, socket.AF_INET6):
            self._socket.send(_request(_ASK_FOR_ALL, family, bytes(48)))
            while (bodies := self._hear()) is not None:
                found += [_read(body) for body in bodies]
        return found

    def carried_by(self, connections: Sequence[Connection]) -> list[SocketBytes | None]:
        """What each of them has carried by now; None of one that is closed."""
        found = []
        for begin in range(0, len(connections), _AT_ONCE):
            some = connections[begin : begin + _AT_ONCE]
            self._socket.send(b"".join([_request(_ASK, each.family, each.identity) for each in some]))
            found += [self._hear_one() for _ in some]
        return found

    def _hear_one(self) -> SocketBytes | None:
        try:
            bodies = self._hear()
        except FileNotFoundError:
            return None
        return _carried(bodies[0]) if bodies else None

    def _hear(self) -> list[bytes] | None:
        """One packet of an answer; None at the end of an answer of many."""
        heard, place, bodies = self._socket.recv(_LARGEST_BYTES), 0, []
        while place < len(heard):
            length, kind, *_ = _HEADER.unpack_from(heard, place)
            body = heard[place + _HEADER.size : place + length]
            if kind == _END:
                return None
            if kind == _ERROR:
                (code,) = _CODE.unpack_from(body)
                raise OSError(-code, os.strerror(-code))
            bodies.append(body)
            place += _aligned(length)
        return bodies


def _request(kind: int, family: int, identity: bytes) -> bytes:
    request = _REQUEST.pack(family, socket.IPPROTO_TCP, 1 << _INFO - 1, _OPEN, identity)
    return _HEADER.pack(_HEADER.size + len(request), _BY_FAMILY, kind, 0, 0) + request


def _read(body: bytes) -> Connection:
    family, identity, inode = _CONNECTION.unpack_from(body)
    local_port, remote_port, local, remote = _ENDS.unpack_from(identity)
    ends = (_plain(family, local), local_port), (_plain(family, remote), remote_port)
    carried = _carried(body)
    if carried is None:
        raise OSError("this kernel does not tell what a connection has carried")
    return Connection(family, identity, inode, *ends, carried)


def _carried(body: bytes) -> SocketBytes | None:
    """From the kernel's `tcp_info`, which is one of the attributes; but not of a connection that waits for its end."""
    place = _CONNECTION.size
    while place < len(body):
        length, kind = _ATTRIBUTE.unpack_from(body, place)
        if kind == _INFO and length >= _ATTRIBUTE.size + TCP_INFO.size:
            return carried(body[place + _ATTRIBUTE.size :])
        place += _aligned(length)
    return None


def _plain(family: int, address: bytes) -> bytes:
    if family == socket.AF_INET:
        return address[:4]
    return address.removeprefix(_MAPPED)


def _aligned(length: int) -> int:
    return length + 3 & ~3
