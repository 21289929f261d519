"""Processes of workers on this machine, and what each of them is doing."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from picluster.agent.control_groups import is_frozen

_STOPPED, _ENDED, _WAITS = "Tt", "ZX", "D"


def state_of_worker(run: str, node: str, root: Path = Path("/")) -> str:
    """State of a run's worker: `gone`, `stopped`, `waits` (for a disk) or `lives`; of several the most telling."""
    states = {state(pid, root) for pid in workers(run, node, root)}
    return next((each for each in ("stopped", "lives", "waits") if each in states), "gone")


def workers(run: str, node: str, root: Path = Path("/")) -> list[int]:
    """Processes of a run's worker, found by their arguments, without those that only wait for them."""
    found = []
    for folder in (root / "proc").glob("[0-9]*"):
        with suppress(OSError):  # it has ended
            words = (folder / "cmdline").read_text(errors="replace").split("\0")
            is_worker = words[1:2] and words[1].endswith("picluster-worker")
            if is_worker and {f"--run={run}", f"--node={node}"} <= set(words):
                found.append(int(folder.name))
    return found


def state(pid: int, root: Path = Path("/")) -> str:
    """State of a process: `gone`, `stopped`, `waits` or `lives`. One in a frozen control group is stopped, too."""
    try:
        letter = (root / "proc" / str(pid) / "stat").read_text(errors="replace").rpartition(")")[2].split()[0]
    except OSError:
        return "gone"
    if letter in _ENDED:
        return "gone"
    if letter in _STOPPED or is_frozen(pid, root):
        return "stopped"
    return "waits" if letter in _WAITS else "lives"
