"""Clocks, threads, queues, events and locks of a simulated process."""

from __future__ import annotations

import queue
from collections import deque
from typing import TYPE_CHECKING, Any, cast

from picluster.system import System

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable

    from tests.simulation.scheduler import Process, Scheduler, SimulatedThread

BEGIN = 1_800_000_000.0
"""Date at which a schedule begins."""


class SimulatedQueue:
    """As `queue.Queue`, as far as it is used."""

    def __init__(self, scheduler: Scheduler, size: int) -> None:
        self._scheduler, self._size, self._items = scheduler, size, deque[Any]()

    def put(self, item: object) -> None:
        self._scheduler.wait("put", lambda: not self._size or len(self._items) < self._size)
        self._items.append(item)

    def get(self, timeout: float | None = None) -> object:
        if not self._scheduler.wait("get", lambda: bool(self._items), timeout):
            raise queue.Empty
        return self._items.popleft()

    def empty(self) -> bool:
        return not self._items


class SimulatedEvent:
    """As `threading.Event`."""

    def __init__(self, scheduler: Scheduler) -> None:
        self._scheduler, self._is_set = scheduler, False

    def set(self) -> None:
        self._scheduler.pause("set")
        self._is_set = True

    def clear(self) -> None:
        self._is_set = False

    def is_set(self) -> bool:
        return self._is_set

    def wait(self, timeout: float | None = None) -> bool:
        return self._scheduler.wait("event", self.is_set, timeout)


class SimulatedLock:
    """As `threading.Lock`, held by `with`."""

    def __init__(self, scheduler: Scheduler) -> None:
        self._scheduler, self._holder = scheduler, ""

    def __enter__(self) -> None:
        self._scheduler.wait("lock", lambda: not self._holder)
        self._holder = self._scheduler.current.name

    def __exit__(self, *_: object) -> None:
        self._holder = ""


def system_of(process: Process, scheduler: Scheduler, *, date_offset: Callable[[], float] = lambda: 0.0) -> System:
    """The system that a simulated process sees."""

    def start_thread(work: Callable[..., None], *arguments: object, name: str) -> SimulatedThread:
        scheduler.pause(f"start {name}")
        return process.start(lambda: work(*arguments), name)

    return System(
        now=lambda: scheduler.now,
        now_with_sleep=lambda: scheduler.now,
        date=lambda: BEGIN + date_offset() + scheduler.now,
        sleep=scheduler.sleep,
        start_thread=cast("Callable[..., threading.Thread]", start_thread),
        queue=cast("Callable[[int], queue.Queue[Any]]", lambda size: SimulatedQueue(scheduler, size)),
        event=cast("Callable[[], threading.Event]", lambda: SimulatedEvent(scheduler)),
        lock=lambda: SimulatedLock(scheduler),
        has_sockets=False,
    )
