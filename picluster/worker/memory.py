"""What this process uses of the machine's memory, and how much it may use."""

from __future__ import annotations

import threading
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

_UNLIMITED = 1 << 60  # cgroup v1 says "no limit" with a number near 2^63


@dataclass(frozen=True)
class Memory:
    """Sizes in bytes at one moment."""

    rss: int
    peak_rss: int
    anonymous: int
    file: int


def read_memory() -> Memory:
    """Of this process; from /proc/self/status where there is one."""
    status = Path("/proc/self/status")
    if not status.exists():
        rss = psutil.Process().memory_info().rss
        return Memory(rss, rss, rss, 0)
    sizes = {}
    for line in status.read_text().splitlines():
        name, _, value = line.partition(":")
        if value.endswith(" kB"):
            sizes[name] = int(value.split()[0]) * 1024
    anonymous = sizes["RssAnon"] + sizes["RssShmem"]
    return Memory(sizes["VmRSS"], sizes["VmHWM"], anonymous, sizes["RssFile"])


class AnonymousPeak:
    """High-water mark of anonymous memory, which the kernel keeps only for resident memory as a whole.

    Where the whole mark has risen since the last reading, the anonymous part stood at that mark less the mapped
    files at the time, which were no more than the larger of the two readings around it: nothing is overstated. It is
    understated only by what files grew in the same interval as a passing peak, so read it often.
    """

    def __init__(self) -> None:
        self._before = read_memory()
        self._peak = self._before.anonymous
        self._lock = threading.Lock()

    def update(self, now: Memory) -> int:
        """Take a reading into account; returns the peak so far. From any thread."""
        with self._lock:
            self._peak = max(self._peak, now.anonymous)
            if now.peak_rss > self._before.peak_rss:
                self._peak = max(self._peak, now.peak_rss - max(self._before.file, now.file))
            self._before = now
            return self._peak


def memory_limit() -> int | None:
    """The smallest limit over this process: of its control groups (v2 or v1) or the machine's memory."""
    limits = [psutil.virtual_memory().total]
    groups = Path("/proc/self/cgroup")
    for line in groups.read_text().splitlines() if groups.exists() else []:
        _, controllers, path = line.split(":", 2)
        if controllers == "":
            limits += _limits(Path("/sys/fs/cgroup"), path, "memory.max")
        elif "memory" in controllers.split(","):
            limits += _limits(Path("/sys/fs/cgroup/memory"), path, "memory.limit_in_bytes")
    return min((limit for limit in limits if limit < _UNLIMITED), default=None)


def fits_easily(size_bytes: int) -> bool:
    """Whether an array takes no more than a quarter of the memory that this process may use.

    Only then may the kernel read ahead in it. Read-ahead fills the memory a little sooner where there is room, but
    where there is none it pushes out what is needed: random rows then cost up to 60 times as much (docs/LOG.md).
    """
    limit = memory_limit()
    return limit is None or size_bytes <= limit // 4


def _limits(root: Path, path: str, name: str) -> list[int]:
    """Limits of a group and of all groups above it."""
    folder, found = root / path.lstrip("/"), []
    while folder.is_relative_to(root):
        with suppress(OSError, ValueError):  # not mounted here, or "max"
            found.append(int((folder / name).read_text()))
        folder = folder.parent
    return found
