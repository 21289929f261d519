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
_BYTES_SENT_OFFSET = 200
_BYTES_RETRANSMITTED_OFFSET = 208
_INFO_BYTES = 216


@dataclass(frozen=True)
class SocketBytes:
    """Totals since the connections were made; without TCP/IP headers and retransmissions."""

    sent: int
    received: int


def socket_bytes() -> SocketBytes | None:
    """Totals over all open TCP sockets of this process; None where the platform does not tell."""
    descriptors = Path("/proc/self/fd")
    if not hasattr(socket, "TCP_INFO") or not descriptors.is_dir():
        return None
    sent = received = 0
    for entry in descriptors.iterdir():
        info = _tcp_info(int(entry.name))
        if info is not None:
            (got,) = struct.unpack_from("=Q", info, _BYTES_RECEIVED_OFFSET)
            out, again = struct.unpack_from("=QQ", info, _BYTES_SENT_OFFSET)
            sent, received = sent + out - again, received + got
    return SocketBytes(sent, received)


def _tcp_info(descriptor: int) -> bytes | None:
    """The kernel's record of one TCP socket; None for everything else."""
    try:
        if not stat.S_ISSOCK(os.fstat(descriptor).st_mode):
            return None
        with socket.socket(fileno=os.dup(descriptor)) as copy:
            if copy.family not in (socket.AF_INET, socket.AF_INET6) or copy.type != socket.SOCK_STREAM:
                return None
            info = copy.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _INFO_BYTES)
    except OSError:  # the descriptor was closed meanwhile
        return None
    return info if len(info) >= _INFO_BYTES else None
