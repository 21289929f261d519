"""mpirun and its daemons as children of a worker: whatever ends the worker ends them, and removes what they leave."""

from __future__ import annotations

import ctypes
import os
import re
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from ipaddress import ip_address
from pathlib import Path

from picluster.worker.engines import find_program
from picluster.worker.engines.base import Peers
from picluster.worker.engines.process import EngineProcess

END_SECONDS = 10.0
"""Time that mpirun and its daemons may take to end after the last rank has left."""
_EVERYWHERE = ("0.0.0.0", "::")  # noqa: S104  these are looked for, not used
_PIDFD_GETFD = 438
_SO_ATTACH_FILTER = 26
# In a session of its own and nobody's child, so that it outlives whatever ends the worker; not for long.
_KEEPER = 'exec 3<&0; (trap "" HUP INT TERM; cat <&3; rm -rf -- "$0") &'


class _Instruction(ctypes.Structure):
    """The kernel's `struct sock_filter`."""

    _fields_ = (
        ("code", ctypes.c_uint16),
        ("jump_if", ctypes.c_uint8),
        ("jump_else", ctypes.c_uint8),
        ("value", ctypes.c_uint32),
    )


class _Program(ctypes.Structure):
    """The kernel's `struct sock_fprog`."""

    _fields_ = (("count", ctypes.c_ushort), ("instructions", ctypes.POINTER(_Instruction)))


_DROP = _Instruction(6, 0, 0, 0)
"""BPF's `ret #0`: of every packet nothing is let through."""


class Pipe:
    """A pipe that other processes of the same user open by a path."""

    def __init__(self) -> None:
        self.read_end, self.write_end = os.pipe()

    def path(self, end: int) -> str:
        """Path of one of its ends, for other processes."""
        return f"/proc/{os.getpid()}/fd/{end}"

    def close(self) -> None:
        """Close both ends."""
        for end in (self.read_end, self.write_end):
            with suppress(OSError):
                os.close(end)


class Daemon:
    """mpirun, or its daemon on another host, in a folder that a shell removes when the worker has ended."""

    def __init__(self, name: str, words: list[str], peers: Peers) -> None:
        """Run it in the background."""
        folder = tempfile.mkdtemp(prefix="picluster-mpi-")
        self._kept = Pipe()
        subprocess.run(
            ["sh", "-c", _KEEPER, folder],  # noqa: S607  every system has it in its own place
            stdin=self._kept.read_end,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            check=True,
        )
        os.close(self._kept.read_end)
        program = find_program(name)
        assert program is not None
        own = {"prte_tmpdir_base": folder}
        if not ip_address(peers.address).is_loopback:  # mpirun refuses to; but there it has no daemons to speak with
            own["prte_if_include"] = peers.interface
        command = [program, *parameters(own), *words]
        self._process = EngineProcess(command, Path(folder, "log"), {**os.environ, **_environment_of(program)})
        self.number = self._process.number

    @property
    def has_ended(self) -> bool:
        """True when it has ended, as it does not by itself while ranks are at work."""
        return self._process.exit_code is not None

    def last_line(self) -> str:
        """Return the last line of its log, and copy the log into the worker's."""
        text = self._process.log_text()
        sys.stderr.write(text)
        lines = [line.strip() for line in text.splitlines() if re.search("[a-z]", line)]
        return lines[-1] if lines else "it gives no reason"

    def close(self) -> None:
        """Wait until it has ended by itself, as it does when the ranks have left; then its folder goes."""
        self._process.end(END_SECONDS)
        os.close(self._kept.write_end)


def parameters(values: dict[str, str]) -> list[str]:
    """Write settings as words of the command line of mpirun and its daemon."""
    return [word for name, value in values.items() for word in ("--prtemca", name, value)]


def _environment_of(program: str) -> dict[str, str]:
    """Tell Open MPI of a wheel where it lies, and let it run as root, which it refuses unless asked twice."""
    prefix = Path(program).parents[1]
    names = ("OMPI", "PRTE")
    consent = {f"{name}_ALLOW_RUN_AS_ROOT{more}": "1" for name in names for more in ("", "_CONFIRM")}
    if prefix != Path(sys.prefix):
        return consent
    places = dict.fromkeys(("OPAL_PREFIX", "PMIX_PREFIX", "PRTE_PREFIX"), str(prefix))
    return {**consent, **places, "LD_LIBRARY_PATH": str(prefix / "lib")}


def shut(process: int) -> None:
    """Let a process's listening sockets take no further connection: the kernel drops what asks for one.

    Open MPI listens on all interfaces of a host, however it is told, and stands still for whoever connects without a
    word. Closed, its sockets would keep it busy with errors. OSError where it is another process, in a container that
    forbids it.
    """
    for listener in _listeners(process):
        with listener:
            listener.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, bytes(_Program(1, ctypes.pointer(_DROP))))


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
