"""The controller's hand on a node: tells what is there, and becomes the worker when told to.

What few questions need is imported where it is needed: on a small Pi each import is felt.
"""

from __future__ import annotations

import os
import signal
import socket
import time
from contextlib import suppress
from pathlib import Path

from picluster.agent import premises, processes, verifying
from picluster.agent.answering import say
from picluster.agent.claims import claims

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    Answer = dict[str, Any]

SUDO_TIMEOUT_SECONDS = 5
BUS_SECONDS = 2.0
END_SECONDS = 3.0
STALE_SECONDS = 3600.0
"""Age that no folder of a run has which is only just starting."""
# The shell stays as the worker's parent: the code that it ends with tells of the signal that killed the worker.
_WAITING_SHELL = ("/bin/sh", "-c", '"$@"; exit $?', "sh")


def look(*, name: str, home: str, cache: str, graph: str, wanted: dict[str, list[int]]) -> Answer:
    """Facts that a launch must know of the node, as `Look` asks for them. Nothing is changed."""
    place = Path(home).expanduser()
    kept = Path(cache).expanduser()
    program = str(place / ".venv" / "bin" / "picluster-worker")
    is_there = os.access(program, os.X_OK)
    version, trouble = premises.version(place, program) if is_there else (None, "")
    torch, status = premises.installed(place, "torch"), premises.file_system(kept)
    return {
        "name": name,
        **premises.machine(torch),
        "worker": program if is_there else None,
        "version": version,
        "trouble": trouble,
        "python": next((folder.name[len("python") :] for folder in place.glob(".venv/lib/python3*")), None),
        "torch": torch,
        "packages": {name: premises.installed(place, name) for name in ("mpi4py", "ray")},
        "rsync": premises.program("rsync") is not None,
        "ssh_address": (os.environ.get("SSH_CONNECTION", "").split(" ")[2:3] or [""])[0],
        "interfaces": premises.interfaces(),
        "claims": claims(),
        "cache": str(kept),
        "lacking": premises.lacking(kept / "graphs" / graph, wanted),
        "verified": verifying.verified(kept / "graphs" / graph, list(wanted)),
        "free_bytes": status and status.f_bavail * status.f_frsize,
        "oom_kills": premises.oom_kills(),
    }


def work(
    *, folders: list[str], files: dict[str, str], environment: dict[str, str], command: list[str], unit: str
) -> Answer:
    """Make folders, write small files into them, say so, and become the worker, as `BecomeWorker` orders.

    Variables of the file `environment` where picluster is installed come before those of the order.
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
        home = Path(command[0]).parent.parent.parent
        prefix, variables = supervisor(unit, {**premises.variables(home / "environment"), **environment})
        say({"error": ""})
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
    """Words that ask for a transient unit; None where there are none."""
    if not Path("/run/systemd/system").is_dir() or premises.program("systemd-run") is None:
        return None
    if os.getuid() == 0:
        return ["systemd-run"]
    runtime = Path(os.environ.get("XDG_RUNTIME_DIR", f"/run/user/{os.getuid()}"))
    if answers(runtime / "bus"):
        os.environ["XDG_RUNTIME_DIR"] = str(runtime)
        return ["systemd-run", "--user"]
    return ["sudo", "-n", "systemd-run"] if _by_sudo("true") else None


def answers(bus: Path) -> bool:
    """True where the user's own systemd answers.

    It ends 10 s after the last session has; in a new session its socket then refuses for a moment.
    """
    deadline = time.monotonic() + BUS_SECONDS
    while bus.exists():
        with suppress(OSError), socket.socket(socket.AF_UNIX) as probe:
            probe.settimeout(BUS_SECONDS)
            probe.connect(str(bus))
            return True
        if time.monotonic() > deadline:
            break
        time.sleep(0.05)
    return False


def claimed() -> Answer:
    """Claims of the workers here."""
    return {"claims": claims()}


def state(*, run: str, node: str) -> Answer:
    """See `processes.state_of_worker`."""
    return {"state": processes.state_of_worker(run, node)}


def oom() -> Answer:
    """See `premises.oom_kills`."""
    return {"oom_kills": premises.oom_kills()}


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


def verify(*, folder: str, checksums: dict[str, str]) -> Answer:
    """See `verifying.damaged`."""
    return {"damaged": verifying.damaged(Path(folder), checksums)}


def remove(*, folder: str) -> Answer:
    """Remove what a run left in the cache."""
    import shutil

    shutil.rmtree(folder, ignore_errors=True)
    with suppress(OSError):  # other nodes of the run may share the machine
        Path(folder).parent.rmdir()
    return {}


def sweep(run: Path) -> None:
    """Remove what earlier runs left whose controllers died before they could."""
    import shutil

    working = {run.name, *(str(claim.get("run")) for claim in claims())}
    for other in run.parent.iterdir():
        if other.name not in working and time.time() - other.stat().st_mtime > STALE_SECONDS:
            shutil.rmtree(other, ignore_errors=True)


def _by_sudo(*words: str) -> bool:
    return premises.told_by("sudo", "-n", *words, seconds=SUDO_TIMEOUT_SECONDS) is not None


def _lives(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def routes(*, peers: list[str]) -> Answer:
    """See `premises.routes`."""
    return {"routes": premises.routes(peers)}


ANSWERS: dict[str, Callable[..., Answer]] = {
    each.__name__: each for each in (look, routes, work, claimed, state, oom, end, verify, remove)
}
