"""Limits of memory in the control groups over this process, of version 2 or 1."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

_UNLIMITED = 1 << 60  # version 1 says "no limit" with a number near 2^63


def memory_limit(root: Path = Path("/")) -> int | None:
    """The smallest limit over this process, in bytes; None where none is set. `root` is that of the file system."""
    limits = []
    for controllers, path in _groups("self", root):
        if controllers == [""]:
            limits += limits_above(root / "sys/fs/cgroup", path, "memory.max")
        elif "memory" in controllers:
            limits += limits_above(root / "sys/fs/cgroup/memory", path, "memory.limit_in_bytes")
    return min((limit for limit in limits if limit < _UNLIMITED), default=None)


def is_frozen(pid: int, root: Path = Path("/")) -> bool:
    """Tell whether a control group over a process keeps it from running, as `systemctl freeze` does."""
    for controllers, path in _groups(str(pid), root):
        with suppress(OSError):
            if controllers == [""] and "frozen 1" in (root / f"sys/fs/cgroup{path}/cgroup.events").read_text():
                return True
        with suppress(OSError):
            if "freezer" in controllers:
                return (root / f"sys/fs/cgroup/freezer{path}/freezer.state").read_text().strip() != "THAWED"
    return False


def _groups(pid: str, root: Path) -> list[tuple[list[str], str]]:
    """Groups of a process: the controllers of each hierarchy, [""] for version 2, and the group's path there."""
    with suppress(OSError):
        lines = (root / "proc" / pid / "cgroup").read_text().splitlines()
        return [(controllers.split(","), path) for _, controllers, path in (line.split(":", 2) for line in lines)]
    return []


def limits_above(hierarchy: Path, path: str, name: str) -> list[int]:
    """Limits of a group and of all groups above it."""
    group, found = hierarchy / path.lstrip("/"), []
    for folder in (group, *group.parents):
        if folder == hierarchy or hierarchy in folder.parents:
            with suppress(OSError, ValueError):  # not mounted here, or "max"
                found.append(int((folder / name).read_text()))
    return found
