"""The simulation finds what it looks for: threads that wait for each other, the dead that act, disks that are full."""

from __future__ import annotations

import errno
from dataclasses import replace
from pathlib import Path

import pytest

from tests.learnt import Learnt, differences
from tests.simulation.disks import Disks
from tests.simulation.scheduler import Hang, Process, Scheduler
from tests.simulation.system import system_of


@pytest.fixture
def scheduler() -> Scheduler:
    return Scheduler(0)


@pytest.fixture
def process(scheduler: Scheduler) -> Process:
    return Process(scheduler, "one")


def test_threads_that_wait_for_each_other_are_found(scheduler: Scheduler, process: Process) -> None:
    system = system_of(process, scheduler)
    one, other = system.queue(0), system.queue(0)

    def wait() -> None:
        system.start_thread(lambda: one.put(other.get()), name="beside")
        other.put(one.get())

    with pytest.raises(Hang, match=r"one/main \(get\), one/beside \(get\)"):
        scheduler.run(process, wait)


def test_time_passes_when_all_wait(scheduler: Scheduler, process: Process) -> None:
    system, order = system_of(process, scheduler), list[str]()

    def sleep(seconds: float, name: str) -> None:
        system.sleep(seconds)
        order.append(name)

    def work() -> None:
        system.start_thread(sleep, 1000.0, "late", name="late")
        sleep(10.0, "early")

    scheduler.run(process, work)
    assert (order, scheduler.now) == (["early", "late"], 1000.0)


def test_nothing_of_a_process_that_was_killed_acts(scheduler: Scheduler, process: Process, tmp_path: Path) -> None:
    file, other = tmp_path / "desk" / "file", Process(scheduler, "other")

    def work() -> None:
        other.start(process.kill, "killer")
        try:
            scheduler.sleep(1.0)
        finally:
            file.write_text("from beyond the grave")

    with Disks(scheduler, tmp_path) as disks:
        disks.add("desk")
        scheduler.run(process, work)
    assert not file.exists()
    assert not scheduler.broken


def test_a_full_disk_takes_nothing(scheduler: Scheduler, process: Process, tmp_path: Path) -> None:
    with Disks(scheduler, tmp_path) as disks:
        disk = disks.add("desk")
        disk.errno = errno.ENOSPC
        scheduler.run(process, (disk.folder / "file").touch)
    assert "No space left on device" in scheduler.broken[0]


def test_another_bit_is_told() -> None:
    found = Learnt(losses={(1, 1): 0.5}, epochs={}, accuracy=0.75, weights={"w": b"\x00"})
    assert differences(found, replace(found)) == []
    (told,) = differences(found, replace(found, weights={"w": b"\x01"}))
    assert told.startswith("other weights")
