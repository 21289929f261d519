"""Times as a usual machine would have taken them, for tests that bound a time: this machine may halve its speed."""

from __future__ import annotations

import time
from collections.abc import Callable

USUAL_SECONDS = 0.0040
"""Processor time of the additions below on a machine like the one of the figures in the docs."""
ADDITIONS = 100_000


def usual_seconds(measure: Callable[[], float], rounds: int = 5) -> float:
    """Return the fewest seconds that `measure` tells, each divided by how slow the machine is right around it."""
    found = []
    before = slowness()
    for _ in range(rounds):
        seconds, after = measure(), slowness()
        found.append(seconds / max(before, after))
        before = after
    return min(found)


def slowness() -> float:
    """Return how many times as long this machine takes for plain Python, now; 1 where it is no slower than usual."""
    began, found = time.process_time(), 0
    for number in range(ADDITIONS):
        found += number
    assert found
    return max(1.0, (time.process_time() - began) / USUAL_SECONDS)
