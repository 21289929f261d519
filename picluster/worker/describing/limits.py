"""Time and memory that a model file may take while it is described: an endless loop, or too many values, is told."""

from __future__ import annotations

import resource
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

import psutil

from picluster.worker.compute.model_fault import TooLong

TIME_LIMIT_SECONDS = 120.0


@contextmanager
def limited(seconds: float = TIME_LIMIT_SECONDS) -> Iterator[None]:
    """Within, `TooLong` is raised when the time is over, and what cannot be had of memory is an error, no kill."""

    def end(_number: int, _frame: FrameType | None) -> None:
        message = f"it still runs after {seconds:g} s"
        raise TooLong(message)

    before = resource.getrlimit(resource.RLIMIT_DATA)
    available = psutil.Process().memory_info().data + psutil.virtual_memory().available
    most = available if before[1] == resource.RLIM_INFINITY else min(available, before[1])
    resource.setrlimit(resource.RLIMIT_DATA, (most, before[1]))
    handler = signal.signal(signal.SIGALRM, end)
    signal.setitimer(signal.ITIMER_REAL, seconds, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, handler)
        resource.setrlimit(resource.RLIMIT_DATA, before)
