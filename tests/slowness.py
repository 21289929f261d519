"""A measure of the machine, for tests that bound a time: the same machine may be half as fast an hour later."""

from __future__ import annotations

import time

USUAL_SECONDS = 0.040
"""Processor time of the loop below on a machine like the one of the figures in the docs."""
ADDITIONS, ROUNDS = 1_000_000, 7


def slowness() -> float:
    """Return how many times as long this machine takes for plain Python, now; 1 where it is no slower than usual."""
    return max(1.0, min(_seconds_of_additions() for _ in range(ROUNDS)) / USUAL_SECONDS)


def _seconds_of_additions() -> float:
    began, found = time.process_time(), 0
    for number in range(ADDITIONS):
        found += number
    assert found
    return time.process_time() - began
