"""The kernel's counts of what each TCP connection has carried (Linux: sock_diag, which `ss` asks too).

Connections of other processes are told as well, without any right, and no descriptor has to be copied.
"""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Sequence
from typing import NamedTuple

_SOCK_DIAG = 4  # from linux/netlink.h and linux/sock_diag.h
_BY_FAMILY = 20
_HEADER = struct.Struct("=IHHII")
_ONE, _ALL = 0x1, 0x301
_ERROR, _END = 2, 3
_CODE = struct.Struct("=i")
# From linux/inet_diag.h: the request, a connection up to its attributes, and an attribute's header. 2: TCP_INFO.
_REQUEST = struct.Struct("=BBBxI48s")
_CONNECTION = struct.Struct("=B3x48s16xI")
_ENDS = struct.Struct(">HH16s16s")
_ATTRIBUTE = struct.Struct("=HH")
_INFO = 2
# struct tcp_info of linux/tcp.h: bytes received; bytes that wait to be sent; µs with something to send or not yet
# acknowledged, and of these without room at the receiver; bytes sent, and of these sent again (since Linux 4.19).
_TCP_INFO = struct.Struct("=128xQ8xI20xQQ16xQQ")
_OPEN = 1 << 1 | 1 << 8  # established, or closed by the other side alone
_MAPPED = bytes(10) + b"\xff\xff"
_LARGEST_BYTES = 1 << 17
_AT_ONCE = 64
"""Requests whose answers fit into the netlink socket's buffer together."""

End = tuple[bytes, int]
"""Address and port; an IPv4 address has 4 bytes, also where it is written as one of IPv6."""


class SocketTraffic(NamedTuple):
    """Totals since the connections were made; without TCP/IP headers and retransmissions."""

    sent: int
    """With what waits in a socket's buffer: nobody can take it back."""
    received: int
    sending_us: int = 0
    """Time in µs with something to send or on its way, but for that in which the receiver had no room.

    The kernel counts ticks of 1 to 10 ms: of many short times the sum is right, one may be 0.
    """


class Connection(NamedTuple):
    """One end of a TCP connection on this machine."""

    request: bytes
    """Asks the kernel for this end again; no other end ever has the same."""
    inode: int
    """Inode of the socket; 0 where no process has accepted it yet."""
    local: End
    remote: End
    carried: SocketTraffic
    place: int
    """Place in the kernel's answer at which `tcp_info` begins."""


class SocketDiagnosis:
    """A netlink socket. The kernel answers at once, so nothing here waits."""

    def __init__(self) -> None:
        """Open it; raises OSError where the kernel lacks sock_diag."""
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_NONBLOCK, _SOCK_DIAG)

    def __del__(self) -> None:
        if hasattr(self, "_socket"):
            self._socket.close()

    def all(self) -> list[Connection]:
        """List the open connections of this network namespace; raises OSError where the kernel does not tell."""
        found = []
        for family in (socket.AF_INET, socket.AF_INET6):
            self._socket.send(_request(_ALL, family, bytes(48)))
            has_more = True
            while has_more:
                answers, has_more = self._receive()
                found += [_connection(answer) for answer in answers]
        return found

    def carried_by(self, connections: Sequence[Connection]) -> list[SocketTraffic | None]:
        """Read what each connection has carried by now; None for one that is closed. A step waits for this."""
        found: list[SocketTraffic | None] = []
        for begin in range(0, len(connections), _AT_ONCE):
            some = connections[begin : begin + _AT_ONCE]
            self._socket.send(b"".join([each.request for each in some]))
            for each in some:
                packet = self._socket.recv(_LARGEST_BYTES)
                is_open = _HEADER.unpack_from(packet)[1] != _ERROR
                found.append(_carried(packet, _HEADER.size + each.place) if is_open else None)
        return found

    def _receive(self) -> tuple[list[bytes], bool]:
        """Receive one packet: answers, and whether more of a list follow."""
        packet, place, answers = self._socket.recv(_LARGEST_BYTES), 0, list[bytes]()
        while place < len(packet):
            length, kind, *_ = _HEADER.unpack_from(packet, place)
            answer = packet[place + _HEADER.size : place + length]
            if kind == _END:
                return answers, False
            if kind == _ERROR:
                (code,) = _CODE.unpack_from(answer)
                raise OSError(-code, os.strerror(-code))
            answers.append(answer)
            place += length + 3 & ~3
        return answers, True


def _request(kind: int, family: int, identity: bytes) -> bytes:
    request = _REQUEST.pack(family, socket.IPPROTO_TCP, 1 << _INFO - 1, _OPEN, identity)
    return _HEADER.pack(_HEADER.size + len(request), _BY_FAMILY, kind, 0, 0) + request


def _connection(answer: bytes) -> Connection:
    family, identity, inode = _CONNECTION.unpack_from(answer)
    local_port, remote_port, *addresses = _ENDS.unpack_from(identity)
    local, remote = (each[:4] if family == socket.AF_INET else each.removeprefix(_MAPPED) for each in addresses)
    place = _CONNECTION.size
    while place < len(answer):
        if carried := _carried(answer, place):
            ends, request = ((local, local_port), (remote, remote_port)), _request(_ONE, family, identity)
            return Connection(request, inode, *ends, carried, place)
        place += _ATTRIBUTE.unpack_from(answer, place)[0] + 3 & ~3
    raise OSError("this kernel does not tell what a connection has carried")


def _carried(answer: bytes, place: int) -> SocketTraffic | None:
    """Read the kernel's `tcp_info`, if it is there: a connection that waits for its end has none."""
    if len(answer) < place + _ATTRIBUTE.size + _TCP_INFO.size or _ATTRIBUTE.unpack_from(answer, place)[1] != _INFO:
        return None
    received, waiting, busy, no_room, sent, again = _TCP_INFO.unpack_from(answer, place + _ATTRIBUTE.size)
    return SocketTraffic(sent - again + waiting, received, busy - no_room)
