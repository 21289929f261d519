"""Processor time of the processes below this one, and of the whole machine, as a function of time."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

import numpy as np
import psutil

_READ_SECONDS = 0.5


@dataclass(frozen=True)
class Load:
    """Readings, each of the same number."""

    times: Sequence[float]
    """Seconds since 1970."""
    processes: Sequence[float]
    """Processor seconds of the processes so far."""
    machine: Sequence[float]
    """Processor seconds of everything on the machine so far."""

    def between(self, begin: float, end: float) -> tuple[float, float]:
        """Processor seconds of the processes and of the whole machine between two times."""
        inside = (np.interp((begin, end), self.times, values) for values in (self.processes, self.machine))
        processes, machine = (float(pair[1] - pair[0]) for pair in inside)
        return processes, machine


class LoadReader(threading.Thread):
    """Reads twice a second until `finish`; of a process that has ended, its last reading counts."""

    def __init__(self) -> None:
        super().__init__(name="load", daemon=True)
        self._ended = threading.Event()
        self._used: dict[tuple[int, float], float] = {}
        self._readings: list[tuple[float, float, float]] = []

    def run(self) -> None:
        """Read."""
        while not self._ended.wait(_READ_SECONDS):
            self._read()

    def finish(self) -> Load:
        """End the readings; returns them."""
        self._ended.set()
        self.join()
        self._read()
        times, processes, machine = zip(*self._readings, strict=True)
        return Load(times, processes, machine)

    def _read(self) -> None:
        for process in psutil.Process().children(recursive=True):
            with suppress(psutil.Error), process.oneshot():
                times = process.cpu_times()
                self._used[process.pid, process.create_time()] = times.user + times.system
        whole = psutil.cpu_times()
        busy = whole.user + whole.nice + whole.system + whole.irq + whole.softirq
        self._readings.append((time.time(), sum(self._used.values()), busy))
