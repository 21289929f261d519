"""A run that was ended goes on, under whatever plan, and comes to the bits of one that nothing happened to."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Callable

import pytest

from tests.integration.desk import Desk
from tests.integration.stops import (
    PLANS,
    WORDS,
    ctrl_c,
    ended_by,
    fall_asleep,
    kill_a_worker,
    kill_the_controller,
    place,
)
from tests.learnt import Learnt, learnt


@pytest.fixture(scope="module")
def whole(desk: Desk) -> Learnt:
    """What the small model learns when nothing happens."""
    return learnt(desk.launch(*WORDS["sage"], "--strategy", "single"))


@pytest.mark.slow
def test_a_worker_that_is_killed_costs_no_bit(desk: Desk, whole: Learnt) -> None:
    plan = ("--layers-per-node", "1", "--nodes", "3", "--max-restarts", "1")
    run = ended_by(desk, kill_a_worker, *WORDS["sage"], *plan)
    (attempt,) = run.attempts()
    assert attempt.after
    assert (attempt.attempt, attempt.after.kind) == (2, "killed")
    assert attempt.position.order > (1, 0, 1)
    assert learnt(run) == whole
    assert not run.states.path.exists()
    told = (desk.folder / "output").read_text()
    assert "went on 1 time (pi3 killed by SIGKILL): the same bits as if nothing had happened" in told
    report = desk.picluster("report", run.name).stdout
    assert re.search(r"went on    .* from epoch .*, after pi3: killed by SIGKILL, first step after \d", report)


@pytest.mark.slow
def test_a_controller_that_slept_goes_on_by_itself_and_whoever_attaches_is_told(desk: Desk, whole: Learnt) -> None:
    run = ended_by(desk, fall_asleep, *WORDS["sage"], "--layers-per-node", "1", "--nodes", "3", "--grace", "2")
    (attempt,) = run.attempts()
    assert attempt.after
    assert (attempt.after.kind, attempt.position.order > (1, 0, 1)) == ("paused", True)
    assert learnt(run) == whole
    seen = desk.picluster("attach", run.name)
    assert seen.returncode == 0, seen.stderr
    assert "going on   the run: the controller slept for " in seen.stderr
    assert seen.stdout.splitlines()[-2].startswith("test accuracy 0.")


@pytest.mark.slow
@pytest.mark.parametrize("end", [ctrl_c, pytest.param(kill_the_controller, marks=pytest.mark.thorough)])
def test_a_run_that_was_ended_goes_on_under_another_plan_and_engine(
    desk: Desk, whole: Learnt, end: Callable[[subprocess.Popen[str]], None]
) -> None:
    run = ended_by(desk, end, *WORDS["sage"], "--layers-per-node", "1", "--nodes", "3")
    resumed = desk.picluster("launch", "--resume", run.name[-4:], *PLANS[0])
    assert resumed.returncode == 0, resumed.stderr
    assert "going on   attempt 2, from epoch" in resumed.stderr
    assert learnt(run) == whole
    again = desk.picluster("launch", "--resume", run.name)
    assert again.returncode == 2
    assert f"run {run.name} has finished" in again.stderr


@pytest.mark.slow
def test_a_damaged_state_is_told_and_the_one_before_is_taken(desk: Desk, whole: Learnt) -> None:
    run = ended_by(desk, ctrl_c, *WORDS["sage"], "--strategy", "single")
    run = ended_by(desk, ctrl_c, "--resume", run.name, run=run)
    newest = place(run)
    for file in run.states.folder(newest).glob("*.safetensors"):
        os.truncate(file, file.stat().st_size - 1)
    resumed = desk.picluster("launch", "--resume", run.name)
    assert resumed.returncode == 0, resumed.stderr
    assert f"the state at {newest.words} cannot be used: " in resumed.stderr
    assert learnt(run) == whole


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize(
    ("model", "stops"),
    [("gcn", 3), *(pytest.param(*each, marks=pytest.mark.thorough) for each in (("sage", 10), ("gcnii", 3)))],
)
def test_a_run_that_is_stopped_often_and_goes_on_under_other_plans_equals_one_that_never_was(
    desk: Desk, model: str, stops: int
) -> None:
    """PICLUSTER_STOPS=10 stops each of them ten times."""
    expected = learnt(desk.launch(*WORDS[model], "--strategy", "single"))
    run = ended_by(desk, ctrl_c, *WORDS[model], "--strategy", "single")
    *plans, last = PLANS[: int(os.environ.get("PICLUSTER_STOPS", stops))]
    for plan in plans:
        run = ended_by(desk, ctrl_c, "--resume", run.name, *plan, run=run)
    resumed = desk.picluster("launch", "--resume", run.name, *last)
    assert resumed.returncode == 0, resumed.stderr
    assert len(run.attempts()) == len(plans) + 1
    assert learnt(run) == expected
