"""Bytes that this process's TCP sockets carried, as the kernel counts them (Linux: TCP_INFO)."""

from __future__ import annotations

import os
import socket
import stat
import struct
from dataclasses import dataclass
from pathlib import Path

# struct tcp_info of linux/tcp.h; bytes_sent came with Linux 4.19.
_BYTES_RECEIVED_OFFSET = 128
_BYTES_SENT_OFFSET = 200  # and behind it those sent again
_INFO_BYTES = 216
_DESCRIPTORS = Path("/proc/self/fd")


@dataclass(frozen=True)
class SocketBytes:
    """Totals since the connections were made; without TCP/IP headers and retransmissions."""

    sent: int
    received: int


class SocketCounter:
    """Adds up what all TCP sockets of this process carry; what a closed one carried stays counted."""

    def __init__(self) -> None:
        self._before: dict[int, SocketBytes] = {}
        self._sent = self._received = 0

    def read(self) -> SocketBytes | None:
        """Totals so far; None where the platform does not tell."""
        if not hasattr(socket, "TCP_INFO") or not _DESCRIPTORS.is_dir():
            return None
        now = dict(filter(None, (_tcp_bytes(int(entry.name)) for entry in _DESCRIPTORS.iterdir())))
        for inode, carried in now.items():
            before = self._before.get(inode, SocketBytes(0, 0))
            self._sent += carried.sent - before.sent
            self._received += carried.received - before.received
        self._before = now
        return SocketBytes(self._sent, self._received)


def _tcp_bytes(descriptor: int) -> tuple[int, SocketBytes] | None:
    """Inode and counts of one TCP socket; None for everything else."""
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISSOCK(status.st_mode):
            return None
        with socket.socket(fileno=os.dup(descriptor)) as copy:
            if copy.family not in (socket.AF_INET, socket.AF_INET6) or copy.type != socket.SOCK_STREAM:
                return None
            info = copy.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _INFO_BYTES)
    except OSError:  # the descriptor was closed meanwhile
        return None
    if len(info) < _INFO_BYTES:
        return None
    (received,) = struct.unpack_from("=Q", info, _BYTES_RECEIVED_OFFSET)
    sent, again = struct.unpack_from("=QQ", info, _BYTES_SENT_OFFSET)
    return status.st_ino, SocketBytes(sent - again, received)
