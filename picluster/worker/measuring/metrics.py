"""Measures that a worker tells of itself: the machine, its resources twice a second, and every step."""

from __future__ import annotations

import os
import platform
import resource
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from importlib import metadata
from pathlib import Path
from typing import NamedTuple

import psutil

from picluster.agent.premises import processor
from picluster.schema.events import Hardware, Resources, StepDone
from picluster.system import SYSTEM, System
from picluster.worker.measuring.energy import Meter
from picluster.worker.measuring.firmware import clock_mhz, throttled
from picluster.worker.measuring.kernel_sockets import SocketTraffic
from picluster.worker.measuring.memory import AnonymousPeak, memory_limit, memory_of_children, read_memory
from picluster.worker.measuring.sockets import SocketCounter
from picluster.worker.wire.links import Clock

SAMPLE_SECONDS = 0.5
OBSERVE_SECONDS = 0.1
"""After a step memory is looked at if it was not within this time: the look would be 0.5 % of the shortest steps."""
LIMIT_SECONDS = 10.0
"""After so long the limit is looked up again, which takes longer than a reading: somebody may have changed it."""
_NOBODY: Mapping[bytes, str] = {}
_TEMPERATURE = Path("/sys/class/thermal/thermal_zone0/temp")


def hardware(*, computes: bool) -> Hardware:
    """Describe the machine under this process; its numerics where this process computes with torch."""
    numerics = ""
    if computes:
        from picluster.worker.measuring.numerics import fingerprint, remembered

        numerics = remembered(fingerprint())
    return Hardware(
        model=processor(),
        kernel=platform.release(),
        torch=metadata.version("torch"),
        cores=len(os.sched_getaffinity(0)),
        threads=1,
        numerics=numerics,
    )


class ResourceSampler(threading.Thread):
    """Reads memory and load twice a second and hands each reading to `emit`."""

    def __init__(self, emit: Callable[[Resources], None]) -> None:
        super().__init__(name="resources", daemon=True)
        self._emit = emit
        self._ended = threading.Event()
        self._process = psutil.Process()
        self._peak = AnonymousPeak()
        self._engine_peak = 0
        self._limit = memory_limit()
        self._limit_time = time.monotonic()
        self._observe_time = 0.0
        self.meter: Meter | None = None
        """Meter of energy, once it is known."""

    def run(self) -> None:
        """Emit readings until `finish`."""
        self._process.cpu_percent()
        while not self._ended.wait(SAMPLE_SECONDS):
            self._emit(self.read())

    def finish(self) -> None:
        """End the readings with a last one."""
        self._ended.set()
        self.join()
        self._emit(self.read())

    def observe(self) -> None:
        """Look at the memory between two readings, if the last look was not just now."""
        now = time.monotonic()
        if now >= self._observe_time:
            self._observe_time = now + OBSERVE_SECONDS
            self._peak.update(read_memory())

    def read(self) -> Resources:
        """Take one reading."""
        now, engine = read_memory(), memory_of_children()
        self._engine_peak = max(self._engine_peak, engine)
        if (time_now := time.monotonic()) >= self._limit_time + LIMIT_SECONDS:
            self._limit, self._limit_time = memory_limit(), time_now
        return Resources(
            rss_bytes=now.rss,
            anonymous_bytes=now.anonymous,
            file_bytes=now.file,
            swapped_bytes=now.swapped,
            peak_rss_bytes=now.peak_rss,
            peak_anonymous_bytes=self._peak.update(now),
            engine_bytes=engine,
            peak_engine_bytes=self._engine_peak,
            limit_bytes=self._limit,
            cpu_share=self._process.cpu_percent() / 100,
            temperature_celsius=_temperature(),
            clock_mhz=clock_mhz(),
            throttled=throttled(),
            joules=self.meter.joules() if self.meter else None,
            meter=self.meter.name if self.meter else "",
        )


class _Mark(NamedTuple):
    """State of a worker's clocks and sockets at one moment."""

    time: float
    wait_seconds: float
    send_seconds: float
    sent_payload_to: dict[int, int]
    received_payload_bytes: int
    sockets: SocketTraffic | None
    sending_us: Counter[bytes]
    """By the address of another node."""
    disk_reads: int | None


class StepMeter:
    """Measures one step after the other, as the role that drives them sees it.

    What the measuring itself takes is part of the next step.
    """

    def __init__(
        self,
        driver: Clock,
        others: Sequence[Clock] = (),
        system: System = SYSTEM,
        nodes: Sequence[str] = (),
        machines: Mapping[bytes, str] = _NOBODY,
    ) -> None:
        """`driver`: of the role that calls; `others`: of further roles in this worker, whose bytes count too.

        `nodes` are those of the run in the order of ranks, `machines` the other ones by their addresses.
        """
        self._driver, self._now, self._nodes, self._machines = driver, system.now, nodes, machines
        self._clocks = [driver, *others]
        self._counter = SocketCounter() if system.has_sockets else None
        self._before = self._mark()

    def finish(self, epoch: int, step: int, loss: float | None = None, *, flushed: bool = False) -> StepDone:
        """Return the measures since the last call; `flushed`: all that was sent has left by now."""
        before = self._before
        now = self._before = self._mark(before if flushed else None)
        so_far = before.sent_payload_to
        sent = {to: size - so_far.get(to, 0) for to, size in now.sent_payload_to.items() if size != so_far.get(to)}
        elapsed = now.time - before.time
        wait = now.wait_seconds - before.wait_seconds
        send = now.send_seconds - before.send_seconds
        return StepDone(
            epoch=epoch,
            step=step,
            loss=loss,
            step_ms=elapsed * 1e3,
            compute_ms=(elapsed - wait - send) * 1e3,
            wait_ms=wait * 1e3,
            send_ms=send * 1e3,
            sent_bytes=now.sockets.sent - before.sockets.sent if now.sockets and before.sockets else None,
            received_bytes=now.sockets.received - before.sockets.received if now.sockets and before.sockets else None,
            sent_payload_bytes=sum(sent.values()),
            received_payload_bytes=now.received_payload_bytes - before.received_payload_bytes,
            sent_payload_to={self._nodes[to]: size for to, size in sent.items()},
            sending_ms_to={
                node: (now.sending_us[address] - before.sending_us[address]) / 1e3
                for address, node in self._machines.items()
                if address in now.sending_us
            },
            disk_reads=None if now.disk_reads is None else now.disk_reads - (before.disk_reads or 0),
        )

    def skip(self) -> None:
        """Leave out what happened since the last call: an evaluation, a barrier."""
        self._before = self._mark()

    def _sent(self) -> dict[int, int]:
        """Bytes by the rank to which they went. A copy is made at once: the sampler's thread may count meanwhile."""
        found = dict(self._clocks[0].sent_payload_to)
        for clock in self._clocks[1:]:
            for to, size in dict(clock.sent_payload_to).items():
                found[to] = found.get(to, 0) + size
        return found

    def _mark(self, all_left_since: _Mark | None = None) -> _Mark:
        now, sent = self._now(), self._sent()
        at_least = 0
        if all_left_since and all_left_since.sockets:
            at_least = all_left_since.sockets.sent + sum(sent.values()) - sum(all_left_since.sent_payload_to.values())
        sockets = self._counter.read(at_least=at_least) if self._counter else None
        return _Mark(
            now,
            self._driver.wait_seconds,
            self._driver.send_seconds,
            sent,
            sum([clock.received_payload_bytes for clock in self._clocks]),
            sockets,
            self._counter.sending_us() if self._counter and self._machines else Counter(),
            resource.getrusage(resource.RUSAGE_SELF).ru_majflt if self._counter else None,
        )


def _temperature() -> float | None:
    with suppress(OSError, ValueError):
        return int(_TEMPERATURE.read_text()) / 1000
    return None
