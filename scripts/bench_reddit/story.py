"""From the events that a run has told to one measurement. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from picluster.schema.events import EpochDone, Recorded, Resources, StepDone, Tested
from scripts.bench_reddit.load import Load
from scripts.bench_reddit.records import EpochScore, Measure, Peak

_FIRST, _LAST = 2, 3
"""Steps at an epoch's begin and end that are left out: there roles work ahead of each other, or wait."""
_FEW = 8
"""Steps below which only the first is left out."""

Steps = Sequence[tuple[float, StepDone]]
"""Steps of one process, with the time at which each had ended."""


def measure_of(row: str, repeat: int, told: Sequence[Recorded], load: Load, leader: str, seconds: float) -> Measure:
    """Sum up a run; `leader` is the process whose steps are the run's. ValueError where it made too few steps."""
    steps = [(each.time, each.event) for each in told if each.node == leader and isinstance(each.event, StepDone)]
    windows = [window for _, epoch in groupby(steps, lambda each: each[1].epoch) if (window := _window(list(epoch)))]
    count = sum(steps for _, _, steps in windows)
    if not count:
        raise ValueError(f"{row}: {len(steps)} steps are too few to be measured")
    used = [load.between(begin, end) for begin, end, _ in windows]
    wall = sum(end - begin for begin, end, _ in windows)
    own, machine = (sum(values) for values in zip(*used, strict=True))
    tests = [each.event.test_accuracy for each in told if isinstance(each.event, Tested)]
    return Measure(
        row=row,
        repeat=repeat,
        steps=count,
        cpu_seconds=own / count,
        wall_seconds=wall / count,
        sent_bytes=_sent(told, len(steps)),
        elsewhere_cores=max(0.0, machine - own) / wall,
        peaks=_peaks(told),
        epochs=_scores(told, steps),
        test_accuracy=tests[-1] if tests else None,
        seconds=seconds,
    )


def seconds_to(goal: float, epochs: Sequence[EpochScore]) -> float | None:
    """Time of training up to the first epoch whose validation reached `goal`; None where none did."""
    reached = (each for each in epochs if each.validation_accuracy is not None and each.validation_accuracy >= goal)
    first = next(reached, None)
    return first.training_seconds if first else None


def _window(steps: Steps) -> tuple[float, float, int] | None:
    """Begin and end of what is measured of an epoch, and the number of its steps; None of an epoch of one step."""
    first, last = (_FIRST, _LAST) if len(steps) >= _FEW else (1, 0)
    kept = steps[first - 1 : len(steps) - last]
    return (kept[0][0], kept[-1][0], len(kept) - 1) if len(kept) > 1 else None


def _sent(told: Sequence[Recorded], steps: int) -> float | None:
    """Bytes that all processes sent in a step; None where the kernel does not tell."""
    sent = [each.event.sent_bytes for each in told if isinstance(each.event, StepDone)]
    known = [size for size in sent if size is not None]
    return sum(known) / steps if len(known) == len(sent) else None


def _peaks(told: Sequence[Recorded]) -> tuple[Peak, ...]:
    last = {each.node: each.event for each in told if isinstance(each.event, Resources)}
    return tuple(
        Peak(
            process=process,
            anonymous_bytes=resources.peak_anonymous_bytes + resources.peak_engine_bytes,
            resident_bytes=resources.peak_rss_bytes + resources.peak_engine_bytes,
        )
        for process, resources in sorted(last.items())
    )


def _scores(told: Sequence[Recorded], steps: Steps) -> tuple[EpochScore, ...]:
    scores, trained = [], 0.0
    for done in (each.event for each in told if isinstance(each.event, EpochDone)):
        times = [(end, step.step_ms / 1e3) for end, step in steps if step.epoch == done.epoch]
        trained += times[-1][0] - (times[0][0] - times[0][1])
        scores.append(
            EpochScore(epoch=done.epoch, validation_accuracy=done.validation_accuracy, training_seconds=trained)
        )
    return tuple(scores)
