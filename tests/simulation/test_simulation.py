"""Runs with faults, in one process: whatever happens, they come to the same bits, or end with a clear word."""

from __future__ import annotations

import pytest
import torch

from tests.simulation.faults import Fault
from tests.simulation.schedule import Outcome, simulate

FEW = range(12)
MANY = range(12, 80)
KEPT = {
    199: "Ctrl-C while workers were told to end after a failure left threads of the controller behind",
    453: "a controller that had paused asked for a state that the node had removed, and gave the node up for it",
    517: "the simulation's own: a long transfer went on after its connection was closed",
    600: "a run that was stopped while its nodes were let go of after a failure had no result",
    1774: "the simulation's own: a node so slow that entering it took longer than anybody waits was blamed for nothing",
    9318: "a controller that was killed while it took the run up left a file behind that was not renamed",
    10611: "a run that was stopped while it was taken up had no result",
}
"""Seeds that found something, and what."""


@pytest.fixture(autouse=True, scope="module")
def _one_thread() -> None:
    """As `launch` runs its workers: the number of threads shows in the last bits."""
    torch.set_num_threads(1)


@pytest.mark.parametrize("seed", [*FEW, *KEPT])
def test_a_run_with_faults_learns_what_it_would_without(seed: int) -> None:
    assert_right(simulate(seed))


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_many_runs_with_faults_learn_what_they_would_without() -> None:
    for seed in MANY:
        assert_right(simulate(seed))


@pytest.mark.parametrize("hours", [-10_000, 10_000])
def test_a_clock_that_is_set_changes_nothing(hours: int) -> None:
    struck_by = [Fault("set clock", since, 50, "pi1", hours * 3600.0) for since in ("start", "training")]
    outcome = simulate(0, struck_by=struck_by)
    assert_right(outcome)
    assert outcome.ends == ["finished"]


def test_a_seed_makes_the_same_schedule_again() -> None:
    for seed in FEW[:2]:
        first, second = (simulate(seed, keep_trace=True) for _ in range(2))
        assert first.lines
        assert second.lines
        before = "the beginning"
        for one, other in zip(first.lines, second.lines, strict=False):
            assert one == other, f"after {before}"
            before = one
        assert first.trace == second.trace


def assert_right(outcome: Outcome) -> None:
    assert not outcome.wrong, f"make test-faults SEEDS={outcome.seed}..{outcome.seed}"
