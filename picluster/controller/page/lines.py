"""Measures of a node over a run's time, thinned so that a long run draws as few points as a short one."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby, pairwise
from operator import itemgetter

import numpy as np

from picluster.schema.events import Recorded, StepDone
from picluster.schema.record import Record

STRETCHES = 120
"""Most points of a measure, in all of its lines; and number of spans of a run's time."""


class Line(Record, frozen=True, kw_only=True):
    """A measure over time, in stretches: the middle of each in seconds since the run began, and what was seen in it."""

    seconds: tuple[float, ...]
    low: tuple[float, ...]
    middle: tuple[float, ...]
    high: tuple[float, ...]


class TimeUse(Record, frozen=True, kw_only=True):
    """Shares of equal spans of a run's time that a node spent in parts of its steps; empty where it made none.

    What is missing of 1 lay outside of steps: before the first, in validation, between attempts.
    """

    compute: tuple[float, ...]
    wait: tuple[float, ...]
    send: tuple[float, ...]


def lines_of(points: Sequence[tuple[int, float, float]]) -> tuple[Line, ...]:
    """Lines, one for each attempt, with its share of stretches; `points` are (attempt, seconds, value) in order."""
    found = []
    for _, group in groupby(points, itemgetter(0)):
        of_attempt = [(seconds, value) for _, seconds, value in group]
        found.append(thinned(of_attempt, max(1, STRETCHES * len(of_attempt) // len(points))))
    return tuple(found)


def thinned(points: Sequence[tuple[float, float]], stretches: int = STRETCHES) -> Line:
    """Line of (seconds, value) points in the order of time.

    Each stretch holds equally many; of it remain the lowest, the median and the highest value.
    """
    parts = [part for part in np.array_split(np.array(points, dtype=float).reshape(-1, 2), stretches) if len(part)]
    return Line(
        seconds=tuple(round(float(part[len(part) // 2, 0]), 3) for part in parts),
        low=tuple(float(part[:, 1].min()) for part in parts),
        middle=tuple(float(np.median(part[:, 1])) for part in parts),
        high=tuple(float(part[:, 1].max()) for part in parts),
    )


def spans(points: Sequence[tuple[int, float, bool]]) -> tuple[tuple[float, float], ...]:
    """Spans of time in which something held, of (attempt, seconds, whether it holds): until an attempt's next point."""
    found = list[tuple[float, float]]()
    for (attempt, begin, holds), (next_attempt, next_begin, _) in pairwise([*points, *points[-1:]]):
        if holds:
            end = next_begin if next_attempt == attempt else begin
            joined = found.pop()[0] if found and found[-1][1] == begin else begin
            found.append((joined, end))
    return tuple(found)


def time_use(lines: Sequence[Recorded], began: float, end: float) -> TimeUse:
    """Parts of a node's steps in each span of the run's time, from `began` to `end` seconds after it.

    A line is written when its step has ended, and the parts of a step count as spread evenly over it.
    """
    steps = [(each.time - began, each.event) for each in lines if isinstance(each.event, StepDone)]
    if not steps:
        return TimeUse(compute=(), wait=(), send=())
    edges = np.linspace(0.0, end, STRETCHES + 1)
    ends = np.maximum.accumulate([seconds for seconds, _ in steps])  # a clock may have been set back
    begins = ends - [step.step_ms / 1e3 for _, step in steps]
    begins[1:] = np.maximum(begins[1:], ends[:-1])  # lines that came late must not lie above one another
    moments = np.column_stack([begins, ends]).ravel()

    def shares(parts: Sequence[float]) -> tuple[float, ...]:
        """Shares of the spans: time of a part grows within steps alone."""
        over = np.cumsum(np.column_stack([np.zeros(len(parts)), parts]).ravel()) / 1e3
        spent = np.diff(np.interp(edges, moments, over))
        return tuple(np.round(spent * STRETCHES / end, 3).tolist())

    return TimeUse(
        compute=shares([step.compute_ms for _, step in steps]),
        wait=shares([step.wait_ms for _, step in steps]),
        send=shares([step.send_ms for _, step in steps]),
    )
