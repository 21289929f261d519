"""Limits of memory in the control groups over this process, of version 2 or 1."""

from __future__ import annotations

import re
from contextlib import suppress
from pathlib import Path

_UNLIMITED = 1 << 60  # version 1 says "no limit" with a number near 2^63


def memory_limit(root: Path = Path("/")) -> int | None:
    """The smallest limit over this process, in bytes; None where none is set. `root` is that of the file system."""
    return min(_limits(root).values(), default=None)


def memory_in_use(root: Path = Path("/")) -> int | None:
    """Bytes in use of the smallest limit, without pages of files, which can be dropped; None where none is set."""
    limits = _limits(root)
    if not limits:
        return None
    group = min(limits, key=lambda folder: limits[folder])
    for current, of_files in (
        ("memory.current", r"^(?:in)?active_file (\d+)$"),
        ("memory.usage_in_bytes", r"^total_(?:in)?active_file (\d+)$"),
    ):
        with suppress(OSError, ValueError):
            used, told = int((group / current).read_text()), (group / "memory.stat").read_text()
            return max(0, used - sum(map(int, re.findall(of_files, told, re.MULTILINE))))
    return None


def _limits(root: Path) -> dict[Path, int]:
    """Limits of memory over this process, by the folder of the group that has each."""
    limits: dict[Path, int] = {}
    for controllers, path in _groups("self", root):
        if controllers == [""]:
            limits |= limits_above(root / "sys/fs/cgroup", path, "memory.max")
        elif "memory" in controllers:
            limits |= limits_above(root / "sys/fs/cgroup/memory", path, "memory.limit_in_bytes")
    return {group: limit for group, limit in limits.items() if limit < _UNLIMITED}


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


def limits_above(hierarchy: Path, path: str, name: str) -> dict[Path, int]:
    """Limits of a group and of all groups above it, by folder."""
    group, found = hierarchy / path.lstrip("/"), {}
    for folder in (group, *group.parents):
        if folder == hierarchy or hierarchy in folder.parents:
            with suppress(OSError, ValueError):  # not mounted here, or "max"
                found[folder] = int((folder / name).read_text())
    return found
