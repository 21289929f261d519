"""Limits of memory in the control groups over this process, of version 2 or 1."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

_UNLIMITED = 1 << 60  # version 1 says "no limit" with a number near 2^63


def memory_limit(root: Path = Path("/")) -> int | None:
    """The smallest limit over this process, in bytes; None where none is set. `root` is that of the file system."""
    limits = []
    with suppress(OSError):
        for line in (root / "proc/self/cgroup").read_text().splitlines():
            _, controllers, path = line.split(":", 2)
            if controllers == "":
                limits += limits_above(root / "sys/fs/cgroup", path, "memory.max")
            elif "memory" in controllers.split(","):
                limits += limits_above(root / "sys/fs/cgroup/memory", path, "memory.limit_in_bytes")
    return min((limit for limit in limits if limit < _UNLIMITED), default=None)


def limits_above(hierarchy: Path, path: str, name: str) -> list[int]:
    """Limits of a group and of all groups above it."""
    group, found = hierarchy / path.lstrip("/"), []
    for folder in (group, *group.parents):
        if folder == hierarchy or hierarchy in folder.parents:
            with suppress(OSError, ValueError):  # not mounted here, or "max"
                found.append(int((folder / name).read_text()))
    return found
