"""The controller's hand on a node: tells what is there, and becomes the worker when told to.

The controller sends this file's text over SSH to whatever `python3` the node has, so it needs nothing but the standard
library. Questions come on standard input, one JSON line each, and each gets one line of JSON as its answer. What few
questions need is imported where it is needed: on a small Pi each import is felt.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import signal
import socket
import sys
import time
from contextlib import suppress
from pathlib import Path

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, BinaryIO

    Answer = dict[str, Any]

CLAIMS = "picluster"
GATE = "gate"
SUDO_TIMEOUT_SECONDS = 5
VERSION_TIMEOUT_SECONDS = 60
END_SECONDS = 3.0
STALE_SECONDS = 3600.0
"""So old is no folder of a run that is only just starting."""
_SIOCGIFADDR = 0x8915
_VERSION = re.compile(r"""^__version__ = ["']([^"']+)""", re.MULTILINE)
# The shell stays as the worker's parent: the code that it ends with tells of the signal that killed the worker.
_WAITING_SHELL = ("/bin/sh", "-c", '"$@"; exit $?', "sh")


def main() -> None:
    """Answer questions until the controller hangs up, or the worker takes this process over."""
    for line in iter(sys.stdin.buffer.readline, b""):
        question = json.loads(line)
        _say(ANSWERS[question.pop("do")](**question))


def look(*, home: str, cache: str, graph: str, wanted: dict[str, list[int]]) -> Answer:
    """What a launch must know of the node. Nothing is changed.

    Args:
        home: where picluster is installed.
        cache: where data are kept.
        graph: name of a graph folder there.
        wanted: name of each file that the node shall have in it, with bytes and time of change in whole seconds.
    """
    place = Path(home).expanduser()
    kept = Path(cache).expanduser()
    return {
        "worker": _worker(place),
        "version": _version(place),
        "torch": _installed(place, "torch"),
        "rsync": _program("rsync") is not None,
        "ssh_address": (os.environ.get("SSH_CONNECTION", "").split(" ")[2:3] or [""])[0],
        "interfaces": interfaces(),
        "claims": claims(),
        "cache": str(kept),
        "lacking": lacking(kept / "graphs" / graph, wanted),
        "free_bytes": _free_bytes(kept),
        "memory_bytes": _memory("MemTotal"),
        "available_bytes": _memory("MemAvailable"),
        "oom_kills": oom_kills(),
        "time": time.time(),
    }


def work(
    *, folders: list[str], files: dict[str, str], environment: dict[str, str], command: list[str], unit: str
) -> Answer:
    """Make folders, write small files into them, say so, and become the worker.

    Args:
        folders: the first of them is the working folder.
        files: path → text.
        environment: variables besides the node's own.
        command: the worker's.
        unit: name of the transient unit that it shall run in, where there is systemd.
    """
    try:
        for folder in folders:
            Path(folder).mkdir(parents=True, exist_ok=True)
        for name, text in files.items():
            Path(name).write_text(text)
        sweep(Path(folders[0]).parent)
        os.chdir(folders[0])
        if os.getpid() != os.getpgid(0):
            os.setsid()
        prefix, variables = supervisor(unit, environment)
        _say({"started": True})
        os.execvpe(prefix[0], [*prefix, *command], {**os.environ, **variables})  # noqa: S606  no shell is wanted
    except OSError as error:
        return {"error": f"{error.strerror}: {error.filename}"}


def supervisor(unit: str, environment: dict[str, str]) -> tuple[list[str], dict[str, str]]:
    """The words before the worker's command, and the variables to start them with.

    Where systemd runs: a transient unit, of the user's own manager or, by sudo, of the system's. Elsewhere nothing but
    the waiting shell; the process group is the worker's own already.
    """
    way = systemd()
    if way is None:
        return list(_WAITING_SHELL), environment
    words = [*way, "--pipe", "--wait", "--collect", "--quiet", f"--unit={unit}", f"--working-directory={Path.cwd()}"]
    words += ["--property=KillMode=control-group", "--property=OOMPolicy=continue", "--property=TimeoutStopSec=5"]
    if "--user" not in way:
        words += [f"--uid={os.getuid()}", f"--gid={os.getgid()}", f"--setenv=HOME={Path.home()}"]
    words += [f"--setenv={name}={value}" for name, value in environment.items()]
    return [*words, "--", *_WAITING_SHELL], {}


def systemd() -> list[str] | None:
    """How a transient unit is asked for; None where that cannot be."""
    if not Path("/run/systemd/system").is_dir() or _program("systemd-run") is None:
        return None
    if os.getuid() == 0:
        return ["systemd-run"]
    runtime = Path(os.environ.get("XDG_RUNTIME_DIR", f"/run/user/{os.getuid()}"))
    if (runtime / "bus").exists() and (runtime / "systemd").is_dir():
        os.environ["XDG_RUNTIME_DIR"] = str(runtime)
        return ["systemd-run", "--user"]
    return ["sudo", "-n", "systemd-run"] if may_sudo() else None


def may_sudo() -> bool:
    """Whether sudo asks for no password."""
    return _by_sudo("true")


def claimed() -> Answer:
    """Who works here."""
    return {"claims": claims()}


def oom() -> Answer:
    """See `oom_kills`."""
    return {"oom_kills": oom_kills()}


def end(*, groups: list[int]) -> Answer:
    """Kill whole process groups; tells which are gone within a moment."""
    for group in groups:
        try:
            os.killpg(group, signal.SIGKILL)
        except ProcessLookupError:
            continue
        except PermissionError:
            _by_sudo("kill", "-KILL", "--", f"-{group}")
    deadline = time.monotonic() + END_SECONDS
    while (left := [group for group in groups if _lives(group)]) and time.monotonic() < deadline:
        time.sleep(0.02)
    return {"gone": [group for group in groups if group not in left]}


def remove(*, folder: str) -> Answer:
    """Remove what a run left in the cache."""
    import shutil

    shutil.rmtree(folder, ignore_errors=True)
    with suppress(OSError):  # other nodes of the run may share the machine
        Path(folder).parent.rmdir()
    return {}


def claims() -> list[Answer]:
    """What the workers on this machine have claimed, of whichever user: those whose process holds its file locked."""
    held = []
    for file in sorted(claims_folder().glob("*.json")):
        with suppress(OSError, ValueError), file.open("rb") as stream:
            if is_held(stream):
                held.append({**json.loads(stream.read() or b"{}"), "file": str(file)})
    return held


def is_held(stream: BinaryIO) -> bool:
    """Whether some process holds the open file locked."""
    try:
        fcntl.flock(stream, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    return False


def claims_folder() -> Path:
    """Where all users' workers leave word: memory that a reboot clears, where the machine has such a place."""
    shared = Path("/run/lock")
    if shared.is_dir() and shared.stat().st_mode & 0o002:
        return shared / CLAIMS
    import tempfile

    return Path(tempfile.gettempdir()) / CLAIMS


def routes(*, peers: list[str]) -> Answer:
    """For each peer the own address and the interface that packets to it would take: what `ip route get` tells."""
    names, found = interfaces(), {}
    for peer in peers:
        with suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.connect((peer, 9))  # of UDP: the kernel only looks the route up
            own = probe.getsockname()[0]
            found[peer] = [own, names.get(own, "")]
    return found


def lacking(folder: Path, wanted: dict[str, list[int]]) -> list[str]:
    """The wanted files that are not there as they should be, by size and time of change."""

    def is_there(name: str) -> bool:
        with suppress(OSError):
            status = (folder / name).stat()
            return [status.st_size, int(status.st_mtime)] == wanted[name]
        return False

    return [name for name in wanted if not is_there(name)]


def oom_kills() -> int | None:
    """How many processes the kernel has killed for want of memory, as far as this machine can see."""
    for file in ("/sys/fs/cgroup/memory.events", "/sys/fs/cgroup/memory/memory.oom_control", "/proc/vmstat"):
        with suppress(OSError):
            found = re.search(r"^oom_kill (\d+)$", Path(file).read_text(), re.MULTILINE)
            if found:
                return int(found.group(1))
    return None


def sweep(run: Path) -> None:
    """Remove what earlier runs left whose controllers died before they could."""
    import shutil

    working = {run.name, *(str(claim.get("run")) for claim in claims())}
    for other in run.parent.iterdir():
        if other.name not in working and time.time() - other.stat().st_mtime > STALE_SECONDS:
            shutil.rmtree(other, ignore_errors=True)


def _say(answer: Answer) -> None:
    sys.stdout.buffer.write(json.dumps(answer).encode() + b"\n")
    sys.stdout.buffer.flush()


def _by_sudo(*words: str) -> bool:
    import subprocess

    command = ["/usr/bin/env", "sudo", "-n", *words]
    with suppress(OSError, subprocess.TimeoutExpired):
        ended = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, check=False, timeout=SUDO_TIMEOUT_SECONDS
        )
        return ended.returncode == 0
    return False


def interfaces() -> dict[str, str]:
    """IPv4 address → the interface that has it."""
    found = {}
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        for _, name in socket.if_nameindex():
            with suppress(OSError):  # an interface without an address
                told = fcntl.ioctl(probe, _SIOCGIFADDR, name.encode()[:15].ljust(256, b"\0"))
                found[socket.inet_ntoa(told[20:24])] = name
    return found


def _worker(home: Path) -> str | None:
    program = home / ".venv" / "bin" / "picluster-worker"
    return str(program) if os.access(program, os.X_OK) else None


def _version(home: Path) -> str | None:
    """Version of the picluster that would work here: read of its text, which is quicker than starting it."""
    for file in (
        home / "picluster" / "__init__.py",
        *home.glob(".venv/lib/python3*/site-packages/picluster/__init__.py"),
    ):
        with suppress(OSError):
            found = _VERSION.search(file.read_text())
            if found:
                return found.group(1)
    program = _worker(home)
    if program is None:
        return None
    import subprocess

    with suppress(OSError, subprocess.TimeoutExpired):
        told = subprocess.run(
            [program, "--version"], capture_output=True, text=True, timeout=VERSION_TIMEOUT_SECONDS, check=False
        )
        return told.stdout.split()[-1] if told.stdout else None
    return None


def _installed(home: Path, package: str) -> str | None:
    """Version of an installed package, without importing it."""
    folders = (folder for place in _packages(home) for folder in place.glob(f"{package}-*.dist-info"))
    return next((folder.name.split("-")[1].removesuffix(".dist") for folder in folders), None)


def _packages(home: Path) -> list[Path]:
    """Where Python looks for the environment's packages: its own folder and those that .pth files there name."""
    own = list(home.glob(".venv/lib/python3*/site-packages"))
    lines = [line.strip() for place in own for file in place.glob("*.pth") for line in file.read_text().splitlines()]
    return [*own, *(Path(line) for line in lines if line.startswith("/"))]


def _program(name: str) -> str | None:
    """Where a program is, as a shell would find it."""
    paths = (Path(folder, name) for folder in os.environ.get("PATH", os.defpath).split(os.pathsep))
    return next((str(path) for path in paths if os.access(path, os.X_OK) and not path.is_dir()), None)


def _free_bytes(folder: Path) -> int | None:
    """Of the disk that the folder is on, or would be."""
    for place in (folder, *folder.parents):
        with suppress(OSError):
            status = os.statvfs(place)
            return status.f_bavail * status.f_frsize
    return None


def _memory(name: str) -> int | None:
    with suppress(OSError):
        found = re.search(rf"^{name}:\s+(\d+) kB", Path("/proc/meminfo").read_text(), re.MULTILINE)
        return int(found.group(1)) * 1024 if found else None
    return None


def _lives(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


ANSWERS: dict[str, Callable[..., Answer]] = {
    each.__name__: each for each in (look, routes, work, claimed, oom, end, remove)
}

if __name__ == "__main__":
    main()
