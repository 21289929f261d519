"""Open MPI listens on all interfaces of a host, however it is told: here its sockets are bound to one."""

from __future__ import annotations

import ctypes
import os
import socket
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

_EVERYWHERE = ("0.0.0.0", "::")  # noqa: S104  these are looked for, not used
_PIDFD_GETFD = 438


def guard(process: int, interface: str) -> None:
    """Let a process's listening sockets take only what comes by that interface.

    Raises:
        OSError: the kernel does not let us: it is older than Linux 5.7, or it is another process, in a container.
    """
    for listener in _listeners(process):
        with listener:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, interface.encode() + b"\0")


def _listeners(process: int) -> Iterator[socket.socket]:
    """Yield copies of a process's listening sockets that are open to all addresses."""
    for entry in Path(f"/proc/{process}/fd").iterdir():
        with suppress(FileNotFoundError):  # closed meanwhile
            if entry.readlink().name.startswith("socket:"):
                copy = socket.socket(fileno=_copy(process, int(entry.name)))
                if _is_open_to_all(copy):
                    yield copy
                else:
                    copy.close()


def _copy(process: int, descriptor: int) -> int:
    """Copy a descriptor of a process into this one."""
    if process == os.getpid():
        return os.dup(descriptor)
    handle = os.pidfd_open(process)
    try:
        copy: int = ctypes.CDLL(None, use_errno=True).syscall(_PIDFD_GETFD, handle, descriptor, 0)
    finally:
        os.close(handle)
    if copy < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return copy


def _is_open_to_all(candidate: socket.socket) -> bool:
    return (
        candidate.family in (socket.AF_INET, socket.AF_INET6)
        and bool(candidate.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN))
        and candidate.getsockname()[0] in _EVERYWHERE
    )
