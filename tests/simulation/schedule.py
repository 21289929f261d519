"""One schedule: a seed's run, its faults, and whether what came of it is what may come of it."""

from __future__ import annotations

import functools
import os
import random
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.learnt import Learnt, differences
from tests.simulation import faults
from tests.simulation.disks import Disks
from tests.simulation.person import Person
from tests.simulation.scheduler import Hang, Scheduler
from tests.simulation.tasks import NAMES, SimulatedTask, draw_task, the_task
from tests.simulation.world import World

SHARED_MEMORY = Path("/dev/shm")  # noqa: S108  a folder of its own is made in it


@dataclass
class Outcome:
    """Results of one schedule."""

    seed: int
    faults: list[faults.Fault]
    trace: str = ""
    """Hash of all that happened."""
    steps: int = 0
    seconds: float = 0.0
    """Simulated."""
    ends: list[str] = field(default_factory=list)
    """How each controller ended, and how each run was taken up."""
    wrong: list[str] = field(default_factory=list)
    """What may not be."""
    lines: list[str] | None = None
    """All that happened, where it was kept."""


def simulate(seed: int, *, keep_trace: bool = False, struck_by: list[faults.Fault] | None = None) -> Outcome:
    """Make the schedule of a seed; with other faults, where some are given."""
    dice = random.Random(seed)
    task, drawn = draw_task(dice), faults.draw(dice, NAMES)
    outcome = Outcome(seed, drawn if struck_by is None else struck_by)
    found = _make(task, outcome, dice, keep_trace=keep_trace)
    if found is not None:
        outcome.wrong += differences(found, expected(task.kind))
    return outcome


@functools.cache
def expected(kind: str) -> Learnt:
    """What a task comes to when nothing happens."""
    outcome = Outcome(0, [])
    found = _make(the_task(kind), outcome, random.Random(0), keep_trace=False)
    assert found is not None, outcome
    assert not outcome.wrong, outcome
    return found


def _make(task: SimulatedTask, outcome: Outcome, dice: random.Random, *, keep_trace: bool) -> Learnt | None:
    """Let a schedule happen; returns what was learnt, where the run has finished."""
    scheduler, found = Scheduler(outcome.seed, keep_trace=keep_trace), None
    with tempfile.TemporaryDirectory(dir=SHARED_MEMORY if SHARED_MEMORY.is_dir() else None) as folder:
        with Disks(scheduler, Path(folder)) as disks, _working_in(Path(folder)):
            world = World(scheduler, disks, NAMES)
            person = Person(world, task, outcome.faults, dice)
            with _working_in(world.desk.folder):
                try:
                    scheduler.run(world.person, person.act)
                except Hang as error:
                    person.wrong.append(f"hangs: {error}")
        outcome.wrong += [*person.wrong, *scheduler.broken]
        if not outcome.wrong:
            found = person.look()
            outcome.wrong += person.wrong
    outcome.ends, outcome.lines = person.ends, scheduler.lines
    outcome.trace, outcome.steps, outcome.seconds = scheduler.trace, scheduler.steps, scheduler.now
    return found


@contextmanager
def _working_in(folder: Path) -> Iterator[None]:
    """Runs are made in the folder in which one stands."""
    before = Path.cwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)
