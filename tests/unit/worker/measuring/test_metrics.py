"""What a worker tells of its steps, and what telling it costs."""

from __future__ import annotations

import os
import platform
import resource
import time
from collections.abc import Iterator
from statistics import median
from types import SimpleNamespace

import pytest

from picluster.schema.events import Resources
from picluster.worker.measuring import metrics
from picluster.worker.measuring.memory import Memory
from picluster.worker.measuring.metrics import ResourceSampler, StepMeter
from picluster.worker.session import EventWriter
from picluster.worker.wire.links import Clock
from tests.slowness import usual_seconds
from tests.unit.worker.measuring.peer import Peer, peers

SOCKETS = 6
# It takes 50 µs on an x86 core; going through all descriptors and the text of status at every step took 215. (Both take
# longer in a run, where caches are cold.) It is the thread's processor time, and the smallest of many medians.
MOST_SECONDS = 90e-6


@pytest.fixture
def connections() -> Iterator[list[Peer]]:
    with peers(SOCKETS) as found:
        yield found


def thread_seconds(writer: EventWriter, resources: ResourceSampler, meter: StepMeter) -> float:
    """Processor time that one step's measures take."""
    begin = time.thread_time()
    meter.skip()
    event = meter.finish(1, 1, 0.5)
    resources.observe()
    writer.emit(event)
    return time.thread_time() - begin


@pytest.mark.skipif(platform.machine() != "x86_64", reason="the bound is for x86: on a Pi all takes longer, also steps")
@pytest.mark.usefixtures("connections")
def test_measuring_a_step_takes_far_less_than_a_hundredth_of_the_shortest_steps() -> None:
    with open(os.devnull, "wb") as nowhere:  # noqa: PTH123  it is no path
        writer, meter = EventWriter(nowhere), StepMeter(Clock())
        resources = ResourceSampler(writer.emit)
        seconds = usual_seconds(lambda: median(thread_seconds(writer, resources, meter) for _ in range(50)), rounds=40)
    assert seconds < MOST_SECONDS


def test_a_step_is_told_as_the_difference_of_two_moments(connections: list[Peer]) -> None:
    driver, other = Clock(), Clock()
    other.sent_payload_to[1] = 7
    meter = StepMeter(driver, [other], nodes=["a", "b", "c"], machines={bytes([127, 0, 0, 1]): "b", b"else": "c"})
    driver.wait_seconds, other.wait_seconds = 0.003, 1.0
    driver.sent_payload_to[2] = 100
    other.sent_payload_to[1] += 20
    connections[0].exchange(1000, 2000)
    first, second = meter.finish(2, 3, 0.5), meter.finish(2, 4)
    assert (first.epoch, first.step, first.loss) == (2, 3, 0.5)
    assert first.wait_ms == pytest.approx(3.0), "only the driver's time is the step's"
    assert first.step_ms == pytest.approx(first.compute_ms + first.wait_ms + first.send_ms)
    assert (first.sent_payload_bytes, second.sent_payload_bytes) == (120, 0)
    assert (first.sent_payload_to, second.sent_payload_to) == ({"b": 20, "c": 100}, {})
    assert set(first.sending_ms_to) <= {"b"}
    assert all(0 <= ms < first.step_ms + 1 for ms in first.sending_ms_to.values())
    assert (first.sent_bytes, first.received_bytes) in {(1000, 2000), (None, None)}
    assert (second.sent_bytes, second.received_bytes) in {(0, 0), (None, None)}


def test_pages_that_were_read_from_a_disk_count_for_their_step(monkeypatch: pytest.MonkeyPatch) -> None:
    read = 1000
    monkeypatch.setattr(resource, "getrusage", lambda _: SimpleNamespace(ru_majflt=read))
    meter = StepMeter(Clock())
    read += 7
    assert meter.finish(1, 1).disk_reads == 7
    assert meter.finish(1, 2).disk_reads == 0


def test_a_moment_counts_once_and_as_computing_where_any_core_computes() -> None:
    now = 0.0
    clock = Clock(lambda: now)
    with clock.spent("waiting"):
        now = 1.0
        with clock.spent("computing"):
            now = 3.0
            with clock.spent("sending"):
                now = 7.0
        now = 15.0
        with clock.spent("sending"):
            now = 31.0
    now = 63.0
    assert (clock.wait_seconds, clock.send_seconds) == (1 + 8, 16)


def test_what_is_skipped_belongs_to_no_step() -> None:
    clock = Clock()
    meter = StepMeter(clock)
    clock.received_payload_bytes, clock.wait_seconds = 50, 9.0
    meter.skip()
    clock.received_payload_bytes += 5
    step = meter.finish(1, 1)
    assert (step.received_payload_bytes, step.wait_ms) == (5, 0)


def test_a_peak_between_observed_steps_is_in_the_next_reading(monkeypatch: pytest.MonkeyPatch) -> None:
    at_rest = Memory(rss=100, peak_rss=100, anonymous=60, file=40)
    monkeypatch.setattr("picluster.worker.measuring.memory.read_memory", lambda: at_rest)
    monkeypatch.setattr(metrics, "read_memory", lambda: at_rest)
    told = list[Resources]()
    resources = ResourceSampler(told.append)
    resources.observe()
    monkeypatch.setattr(metrics, "read_memory", lambda: Memory(rss=100, peak_rss=190, anonymous=60, file=40))
    resources.observe()  # too soon after the first to look
    assert resources.read().peak_anonymous_bytes == 150


def test_the_peak_of_the_engines_processes_never_falls(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[Resources] = []
    sampler, readings = ResourceSampler(told.append), iter([5, 9, 0])
    monkeypatch.setattr(metrics, "memory_of_children", lambda: next(readings))
    read = [sampler.read() for _ in range(3)]
    assert [(each.engine_bytes, each.peak_engine_bytes) for each in read] == [(5, 5), (9, 9), (0, 9)]
