"""When workers are asked for their states, and of which position."""

from __future__ import annotations

import pytest

from picluster.controller.planning.request import Every
from picluster.controller.running.checkpoints import AHEAD_SECONDS, Rhythm
from picluster.errors import InputError
from picluster.schema.events import StepDone
from picluster.schema.state import Position
from tests.unit.controller.made import a_step


def step(index: int, steps: int) -> StepDone:
    return a_step(index % steps + 1, epoch=index // steps + 1)


def asked(
    rhythm: Rhythm, *, count: int, seconds: float, steps: int, comes: bool = True
) -> list[tuple[float, Position]]:
    """Moments and positions, while steps are made."""
    found = []
    for index in range(count):
        now = (index + 1) * seconds
        rhythm.hear(step(index, steps), now)
        if position := rhythm.due(now):
            found.append((now, position))
            if comes:
                rhythm.came(position)
    return found


@pytest.mark.parametrize("seconds", [0.01, 0.4, 3.0])
def test_positions_are_ahead_of_every_worker_and_as_far_apart_as_wanted(seconds: float) -> None:
    rhythm = Rhythm(Every(seconds=30.0), steps=7, epochs=10**6, now=0.0)
    found = asked(rhythm, count=int(100 / seconds), seconds=seconds, steps=7)
    assert len(found) == 3
    for now, position in found:
        index = (position.epoch - 1) * 7 + position.step - 1
        assert AHEAD_SECONDS <= index * seconds - now <= AHEAD_SECONDS + 3 * seconds


def test_after_one_that_did_not_come_together_the_next_is_further_ahead() -> None:
    rhythm = Rhythm(Every(seconds=10.0), steps=5, epochs=10**6, now=0.0)
    (_, first), (_, second) = asked(rhythm, count=300, seconds=0.1, steps=5, comes=False)[:2]
    gap = 5 * (second.epoch - first.epoch) + second.step - first.step
    assert gap == pytest.approx(100 + AHEAD_SECONDS / 0.1, abs=2)


def test_nothing_is_asked_for_that_the_run_will_not_reach() -> None:
    assert not asked(Rhythm(Every(seconds=1.0), 5, 2, 0.0), count=10, seconds=0.5, steps=5)[5:]
    assert not asked(Rhythm(Every(), 5, 10**6, 0.0), count=1000, seconds=1.0, steps=5)
    assert not asked(Rhythm(Every(steps=2), 5, 10**6, 0.0), count=1000, seconds=1.0, steps=5)


@pytest.mark.parametrize(
    ("text", "every"),
    [
        ("90s", Every(seconds=90)),
        ("1.5m", Every(seconds=90)),
        ("2h", Every(seconds=7200)),
        ("500", Every(steps=500)),
        ("never", Every()),
    ],
)
def test_times_and_steps_are_read(text: str, every: Every) -> None:
    assert Every.read(text) == every


@pytest.mark.parametrize("text", ["", "0", "0s", "-1s", "1d", "nan", "1e3s", "5 m", "now", "\u0661s"])
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="neither a time nor a number of steps"):
        Every.read(text)
