"""Premises of a node: programs, packages, room, memory, addresses.

What few questions need is imported where it is needed: on a small Pi each import is felt.
"""

from __future__ import annotations

import array
import fcntl
import json
import os
import re
import socket
import struct
from contextlib import suppress
from pathlib import Path

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

VERSION_TIMEOUT_SECONDS = 8
_ENTRY = "from picluster.worker.main import main"
_VERSION = re.compile(r"""^__version__ = ["']([^"']+)""", re.MULTILINE)
_SIOCGIFCONF = 0x8912
_MOST_ADDRESSES = 256


def text(file: Path) -> str | None:
    """Content of a file; None where it cannot be read."""
    with suppress(OSError, UnicodeDecodeError):
        return file.read_text()
    return None


def told_by(name: str, *words: str, seconds: float) -> str | None:
    """Output of a program; None where there is none, or it fails."""
    import subprocess

    with suppress(OSError, subprocess.TimeoutExpired):
        ended = subprocess.run(
            [program(name) or name, *words],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=seconds,
        )
        return ended.stdout if ended.returncode == 0 else None
    return None


def version(home: Path, program: str) -> tuple[str | None, str]:
    """Version of the worker's program, and what it says where it does not start.

    Where it is the script that pip and Poetry make, the package's text tells, ten times as quickly as the program.
    """
    with suppress(OSError):
        if _ENTRY in Path(program).read_text(errors="replace"):
            for place in packages(home):
                with suppress(OSError):
                    found = _VERSION.search((place / "picluster" / "__init__.py").read_text())
                    if found:
                        return found.group(1), ""
    import subprocess

    try:
        told = subprocess.run(
            [program, "--version"], capture_output=True, text=True, timeout=VERSION_TIMEOUT_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return None, str(error)
    if told.returncode == 0 and told.stdout.split():
        return told.stdout.split()[-1], ""
    return None, ((told.stderr or told.stdout).strip().splitlines() or [f"exit code {told.returncode}"])[-1]


def installed(home: Path, package: str) -> str | None:
    """Version of an installed package, without importing it."""
    folders = (folder for place in packages(home) for folder in place.glob(f"{package}-*.dist-info"))
    return next((folder.name.split("-")[1].removesuffix(".dist") for folder in folders), None)


def packages(home: Path) -> list[Path]:
    """Folders of the environment's packages: its own, and those that .pth files there name."""
    own = list(home.glob(".venv/lib/python3*/site-packages"))
    lines = [line.strip() for place in own for file in place.glob("*.pth") for line in file.read_text().splitlines()]
    return [*own, *(Path(line) for line in lines if line.startswith("/"))]


def machine(torch: str | None) -> dict[str, Any]:
    """Facts of the machine itself; of its numerics as far as a worker with this torch has left them here."""
    from picluster.agent.control_groups import memory_limit

    kind = processor()
    return {
        "memory_bytes": memory("MemTotal"),
        "limit_bytes": memory_limit(),
        "cores": len(os.sched_getaffinity(0)),
        "machine": os.uname().machine,
        "processor": kind,
        "numerics": numerics(kind, torch),
    }


def processor() -> str:
    """Board of a Pi, processor of a PC."""
    board = text(Path("/proc/device-tree/model"))
    if board is not None:
        return board.rstrip("\0\n")
    found = re.search(r"^model name\s*: *(.*)$", text(Path("/proc/cpuinfo")) or "", re.MULTILINE)
    return found.group(1) if found else os.uname().machine


def numerics(kind: str, torch: str | None) -> str | None:
    """Fingerprint that a worker has left here; None where none has, or with another processor or torch."""
    with suppress(OSError, ValueError, KeyError):
        told: dict[str, str] = json.loads(numerics_file().read_text())
        if (told["processor"], told["torch"]) == (kind, (torch or "").partition("+")[0]):
            return told["numerics"]
    return None


def numerics_file() -> Path:
    """File in which a worker leaves the fingerprint of its numerics, so that a plan can know it."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "picluster" / "numerics.json"


def program(name: str) -> str | None:
    """Path of a program, as a shell would find it."""
    paths = (Path(folder, name) for folder in os.environ.get("PATH", os.defpath).split(os.pathsep))
    return next((str(path) for path in paths if os.access(path, os.X_OK) and not path.is_dir()), None)


def lacking(folder: Path, wanted: dict[str, list[int]]) -> list[str]:
    """The wanted files that are not there as they should be, by size and time of change."""

    def is_there(name: str) -> bool:
        with suppress(OSError):
            status = (folder / name).stat()
            return [status.st_size, int(status.st_mtime)] == wanted[name]
        return False

    return [name for name in wanted if not is_there(name)]


def file_system(folder: Path) -> os.statvfs_result | None:
    """State of the disk that the folder is on, or would be."""
    for place in (folder, *folder.parents):
        with suppress(OSError):
            return os.statvfs(place)
    return None


def memory(name: str, root: Path = Path("/")) -> int | None:
    """Bytes of one kind, as the kernel calls it. `root` is that of the file system."""
    found = re.search(rf"^{name}:\s+(\d+) kB", text(root / "proc/meminfo") or "", re.MULTILINE)
    return int(found.group(1)) * 1024 if found else None


def oom_kills() -> int | None:
    """Number of processes that the kernel has killed for want of memory, as far as this machine can see."""
    for file in ("/sys/fs/cgroup/memory.events", "/sys/fs/cgroup/memory/memory.oom_control", "/proc/vmstat"):
        found = re.search(r"^oom_kill (\d+)$", text(Path(file)) or "", re.MULTILINE)
        if found:
            return int(found.group(1))
    return None


def routes(peers: list[str]) -> dict[str, tuple[str, str]]:
    """For each peer the own address and the interface that packets to it would take: what `ip route get` tells."""
    names, found = interfaces(), {}
    for peer in peers:
        with suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.connect((peer, 9))  # of UDP: the kernel only looks the route up
            own = probe.getsockname()[0]
            found[peer] = (own, names.get(own, ""))
    return found


def interfaces() -> dict[str, str]:
    """IPv4 address → the interface that has it."""
    entry_bytes = 16 + struct.calcsize("LLHBBB0L")  # of struct ifreq
    room = array.array("B", bytes(_MOST_ADDRESSES * entry_bytes))
    with suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        told = fcntl.ioctl(probe, _SIOCGIFCONF, struct.pack("iP", len(room), room.buffer_info()[0]))
        entries = bytes(room[: struct.unpack("iP", told)[0]])
        starts = range(0, len(entries), entry_bytes)
        return {
            socket.inet_ntoa(entries[start + 20 : start + 24]): entries[start : start + 16].split(b"\0")[0].decode()
            for start in starts
        }
    return {}


def variables(file: Path) -> dict[str, str]:
    """NAME=value lines, as `make provision` writes them for the programs of a node; none where there is no file."""
    try:
        lines = file.read_text().splitlines()
    except OSError:
        return {}
    pairs = (line.partition("=") for line in lines if "=" in line and not line.startswith("#"))
    return {name.strip(): value for name, _, value in pairs}
