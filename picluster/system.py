"""Time, threads, queues and locks of a run's controller and roles, which a simulation replaces by its own."""

import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
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
    """Clocks, threads, queues and locks of the process, each replaceable."""

    now: Callable[[], float] = time.perf_counter
    """Seconds since any moment, without the time for which the machine is suspended."""
    now_with_sleep: Callable[[], float] = _now_with_sleep
    """Seconds since any moment, with the time for which the machine is suspended."""
    date: Callable[[], float] = time.time
    """Seconds since 1970."""
    sleep: Callable[[float], None] = time.sleep
    """Lets so many seconds pass."""
    start_thread: Callable[..., threading.Thread] = _start_thread
    """Starts `work(*arguments)` in a thread of that `name`, which keeps no process alive."""
    queue: Callable[[int], Queue[Any]] = Queue
    """Makes a queue for so many entries; 0: for any number."""
    event: Callable[[], threading.Event] = threading.Event
    """Makes a flag that threads wait for."""
    lock: Callable[[], AbstractContextManager[object]] = threading.Lock
    """Makes a lock, held by one thread at a time."""
    has_sockets: bool = True
    """True where workers reach each other by sockets, whose bytes the kernel counts."""


SYSTEM = System()
