"""What a worker tells of itself: the machine, its resources twice a second, and every step."""

from __future__ import annotations

import os
import platform
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import torch

from picluster.schema.events import Hardware, Resources, StepDone
from picluster.worker.memory import AnonymousPeak, memory_limit, read_memory
from picluster.worker.sockets import SocketBytes, SocketCounter

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from picluster.worker.links import Clock

SAMPLE_SECONDS = 0.5
_TEMPERATURE = Path("/sys/class/thermal/thermal_zone0/temp")


def hardware() -> Hardware:
    """The machine under this process."""
    return Hardware(
        model=_machine_model(),
        kernel=platform.release(),
        torch=str(torch.__version__),
        cores=len(os.sched_getaffinity(0)),
        threads=torch.get_num_threads(),
    )


class ResourceSampler(threading.Thread):
    """Reads memory and load twice a second and hands each reading to `emit`."""

    def __init__(self, emit: Callable[[Resources], None]) -> None:
        super().__init__(name="resources", daemon=True)
        self._emit = emit
        self._ended = threading.Event()
        self._process = psutil.Process()
        self._peak = AnonymousPeak()
        self._limit = memory_limit()

    def run(self) -> None:
        """Until `finish`."""
        self._process.cpu_percent()
        while not self._ended.wait(SAMPLE_SECONDS):
            self._emit(self.read())

    def finish(self) -> None:
        """End the readings with a last one."""
        self._ended.set()
        self.join()
        self._emit(self.read())

    def observe(self) -> None:
        """Look at the memory between two readings."""
        self._peak.update(read_memory())

    def read(self) -> Resources:
        """One reading."""
        now = read_memory()
        return Resources(
            rss_bytes=now.rss,
            anonymous_bytes=now.anonymous,
            file_bytes=now.file,
            peak_rss_bytes=now.peak_rss,
            peak_anonymous_bytes=self._peak.update(now),
            limit_bytes=self._limit,
            cpu_share=self._process.cpu_percent() / 100,
            temperature_celsius=_temperature(),
        )


class StepMeter:
    """Measures one step after the other, as the role that drives them sees it."""

    def __init__(self, driver: Clock, others: Sequence[Clock] = ()) -> None:
        """`driver`: of the role that calls; `others`: of further roles in this worker, whose bytes count too."""
        self._driver = driver
        self._clocks = [driver, *others]
        self._counter = SocketCounter()
        self._begin()

    def finish(self, epoch: int, step: int, loss: float | None = None) -> StepDone:
        """The measures since the last call."""
        elapsed = time.perf_counter() - self._time
        wait = self._driver.wait_seconds - self._clock.wait_seconds
        send = self._driver.send_seconds - self._clock.send_seconds
        sockets, before = self._counter.read(), self._sockets
        payload, payload_before = self._payload_now(), self._payload
        step_done = StepDone(
            epoch=epoch,
            step=step,
            loss=loss,
            step_ms=elapsed * 1e3,
            compute_ms=(elapsed - wait - send) * 1e3,
            wait_ms=wait * 1e3,
            send_ms=send * 1e3,
            sent_bytes=sockets.sent - before.sent if sockets and before else None,
            received_bytes=sockets.received - before.received if sockets and before else None,
            sent_payload_bytes=payload[0] - payload_before[0],
            received_payload_bytes=payload[1] - payload_before[1],
        )
        self._begin(sockets)
        return step_done

    def skip(self) -> None:
        """Leave out what happened since the last call: an evaluation, a barrier."""
        self._begin()

    def _begin(self, sockets: SocketBytes | None = None) -> None:
        self._time = time.perf_counter()
        self._clock = replace(self._driver)
        self._payload = self._payload_now()
        self._sockets = sockets or self._counter.read()

    def _payload_now(self) -> tuple[int, int]:
        sent = sum(clock.sent_payload_bytes for clock in self._clocks)
        return sent, sum(clock.received_payload_bytes for clock in self._clocks)


def _machine_model() -> str:
    """Board of a Pi, processor of a PC."""
    board = Path("/proc/device-tree/model")
    if board.exists():
        return board.read_text().rstrip("\0\n")
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.machine())


def _temperature() -> float | None:
    try:
        return int(_TEMPERATURE.read_text()) / 1000
    except (OSError, ValueError):
        return None
