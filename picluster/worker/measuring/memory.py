"""Memory of the machine that this process uses, and how much it may use."""

from __future__ import annotations

import ctypes
import functools
import os
import re
import threading
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from picluster.agent import control_groups

# The kernel writes these lines of /proc/self/status one after the other, since 4.5, and the last somewhat later.
_SIZES = re.compile(
    rb"\s+".join(rb"%s:\s+(\d+) kB" % name for name in (b"VmHWM", b"VmRSS", b"RssAnon", b"RssFile", b"RssShmem"))
    + rb"(?:(?s:.*?)\nVmSwap:\s+(\d+) kB)?"
)
# From /proc/PID/smaps_rollup, since 4.14; its parts since 5.3.
_SHARES = re.compile(rb"^Pss_(?:Anon|Shmem): +(\d+) kB$", re.MULTILINE)


@dataclass(frozen=True)
class Memory:
    """Sizes in bytes at one moment."""

    rss: int
    peak_rss: int
    anonymous: int
    file: int
    swapped: int | None = None


def read_memory() -> Memory:
    """Read the sizes of this process, from /proc/self/status where there is one."""
    sizes = None
    with suppress(OSError):
        sizes = _SIZES.search(os.pread(_status(), 1 << 16, 0))
    if sizes is None:
        rss = psutil.Process().memory_info().rss
        return Memory(rss, rss, rss, 0)
    *always, swapped = sizes.groups()
    peak_rss, rss, anonymous, file, shared = (int(size) * 1024 for size in always)
    return Memory(rss, peak_rss, anonymous + shared, file, None if swapped is None else int(swapped) * 1024)


def memory_of_children() -> int:
    """Bytes that the processes below this one hold and that cannot be dropped: anonymous and shared memory.

    Memory that several share is counted in shares (the kernel's "proportional set size"); `read_memory` has our own.
    """
    return sum(_share(child) for child in children())


def children() -> list[psutil.Process]:
    """List the processes below this one; the kernel is asked first whether there are any, as a search takes long."""
    with suppress(OSError):  # a kernel without CONFIG_PROC_CHILDREN, or a thread that has ended
        lists = [Path("/proc/self/task", thread, "children") for thread in os.listdir("/proc/self/task")]  # noqa: PTH208
        if not any(each.read_bytes() for each in lists):
            return []
    return psutil.Process().children(recursive=True)


def _share(process: psutil.Process) -> int:
    with suppress(OSError):  # it has ended, or belongs to another user, or the kernel does not tell
        parts = _SHARES.findall(Path(f"/proc/{process.pid}/smaps_rollup").read_bytes())
        return sum(int(part) * 1024 for part in parts)
    with suppress(psutil.Error):
        memory = process.memory_info()
        return memory.rss - getattr(memory, "shared", 0)
    return 0


@functools.cache
def _status() -> int:
    """A descriptor that stays open: opening the file takes longer than reading it."""
    return os.open("/proc/self/status", os.O_RDONLY | os.O_CLOEXEC)


os.register_at_fork(after_in_child=_status.cache_clear)  # it tells of the process that opened it


class AnonymousPeak:
    """High-water mark of anonymous memory; the kernel has one for resident memory as a whole, which no peak escapes.

    Where that mark has risen since the last reading, anonymous memory stood at the mark less the mapped files of that
    time, which were no more than the larger of the two readings around it: nothing is overstated. It is understated
    only by the growth of files in the interval of a passing peak, so read it often.
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


def memory_limit() -> int:
    """Return what this process may use: the smallest limit of its control groups, or the machine's memory."""
    machine = psutil.virtual_memory().total
    return min(control_groups.memory_limit() or machine, machine)


def give_back_freed_memory() -> None:
    """Return to the kernel what glibc keeps for later: before work that needs memory of another kind."""
    with suppress(OSError, AttributeError):  # another C library
        ctypes.CDLL(None).malloc_trim(0)


def fits_easily(size_bytes: int) -> bool:
    """Tell whether an array takes no more than a quarter of the memory that this process may use.

    Only then may the kernel read ahead in it. Read-ahead fills the memory a little sooner where there is room, but
    where there is none it pushes out what is needed: random rows then cost up to 60 times as much (docs/LOG.md).
    """
    return size_bytes <= memory_limit() // 4
