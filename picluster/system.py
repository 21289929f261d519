"""Time, threads and queues that the launcher, its workforce and a worker's roles use; a simulation can replace them."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from queue import Queue
from typing import Any

# The time for which a machine is suspended counts: other machines' workers wait for its heartbeat meanwhile.
_now_with_sleep = partial(time.clock_gettime, getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


def _start_thread(work: Callable[..., None], *arguments: object, name: str) -> threading.Thread:
    thread = threading.Thread(target=work, args=arguments, name=name, daemon=True)
    thread.start()
    return thread


@dataclass(frozen=True)
class System:
    """Clocks, threads and queues of the process, each replaceable."""

    now: Callable[[], float] = time.perf_counter
    """Seconds since any moment, without the time for which the machine is suspended."""
    now_with_sleep: Callable[[], float] = _now_with_sleep
    """Seconds since any moment, with the time for which the machine is suspended."""
    date: Callable[[], float] = time.time
    """Seconds since 1970."""
    start_thread: Callable[..., threading.Thread] = _start_thread
    """Starts `work(*arguments)` in a thread of that `name`, which keeps no process alive."""
    queue: Callable[[int], Queue[Any]] = Queue
    """Makes a queue for so many entries; 0: for any number."""
    event: Callable[[], threading.Event] = threading.Event
    """Makes a flag that threads wait for."""


SYSTEM = System()
