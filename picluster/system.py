"""Time, threads and queues, as the launcher, its workforce and a worker's roles take them from the process.

A simulation gives them others and drives the same code.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from queue import Queue
from typing import Any

# The time that a suspended machine sleeps counts: other machines' workers wait for its heartbeat meanwhile.
_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


def _start_thread(work: Callable[..., None], *arguments: object, name: str) -> threading.Thread:
    thread = threading.Thread(target=work, args=arguments, name=name, daemon=True)
    thread.start()
    return thread


def _time_with_sleep() -> float:
    return time.clock_gettime(_CLOCK)


@dataclass(frozen=True)
class System:
    """The process's own, each replaceable."""

    now: Callable[[], float] = time.perf_counter
    """Seconds since any moment; they do not go on while the machine is suspended."""
    now_with_sleep: Callable[[], float] = _time_with_sleep
    """Seconds since any moment; they go on then too."""
    date: Callable[[], float] = time.time
    """Seconds since 1970."""
    start_thread: Callable[..., threading.Thread] = _start_thread
    """Starts `work(*arguments)` in a thread of that `name`, which keeps no process alive."""
    queue: Callable[[int], Queue[Any]] = Queue
    """Made for so many entries; 0: for any number."""
    event: Callable[[], threading.Event] = threading.Event
    """A flag that threads wait for."""


SYSTEM = System()
