"""A run that was ended goes on, under whatever plan, and comes to the bits of one that nothing happened to."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import msgspec
import psutil
import pytest
from safetensors.torch import load_file

from picluster.controller.record.run_folder import RunFolder
from picluster.schema.events import EpochDone, StepDone
from tests.integration.desk import GRAPH, RUN_TIMEOUT_SECONDS, Desk, workers_of

if TYPE_CHECKING:
    from picluster.schema.state import Position

SMALL = (*GRAPH, "--hidden", "8", "--batch-size", "16", "--micro-batches", "2")
WORDS = {
    "sage": ("--model", "sage", *SMALL, "--epochs", "8"),
    "gcn": ("--model", "gcn", *GRAPH, "--hidden", "8", "--micro-batches", "2", "--epochs", "150"),
    "gcnii": ("--model", "gcnii", *SMALL, "--depth", "3", "--epochs", "40", "--patience", "4"),
}
STOPS = {"sage": 10, "gcn": 3, "gcnii": 3}
EVERY = ("--checkpoint-every", "3")
PLANS = (
    ("--strategy", "data-parallel", "--nodes", "2", "--engine", "rpc"),
    ("--strategy", "single"),
    ("--layers-per-node", "1", "--nodes", "3"),
    ("--strategy", "layer-split", "--nodes", "pi4,pi2"),
    ("--strategy", "mirrored", "--replicas", "2"),
    ("--layers-per-node", "1", "--nodes", "5", "--engine", "rpc"),
    ("--strategy", "data-parallel", "--nodes", "3"),
    ("--layers-per-node", "2", "--nodes", "pi5,pi1,pi3"),
    ("--strategy", "single", "--nodes", "pi2"),
    ("--layers-per-node", "1", "--nodes", "4"),
)


def learnt(desk: Desk, run: RunFolder) -> tuple[object, ...]:
    """Every loss, the course of the epochs, the accuracy, and every weight."""
    nodes = [folder.name for folder in (run.path / "nodes").iterdir()]
    steps = [each.event for node in nodes for each in run.metrics(node) if isinstance(each.event, StepDone)]
    losses = [((step.epoch, step.step), step.loss) for step in steps if step.loss is not None]
    assert len(dict(losses)) == len(losses), "a step is counted twice"
    epochs = [msgspec.structs.replace(e.event, seconds=0) for e in run.events() if isinstance(e.event, EpochDone)]
    result = run.result()
    assert result
    weights = desk.folder / f"{run.name}.safetensors"
    done = desk.picluster("export", run.name, "--output", str(weights))
    assert done.returncode == 0, done.stderr
    tensors = {name: tensor.tolist() for name, tensor in load_file(weights).items()}
    return dict(sorted(losses)), epochs, result.test_accuracy, tensors


def place(run: RunFolder) -> Position:
    """The newest position with a whole state."""
    return run.states.newest(lambda _: None).position


def ended_by(
    desk: Desk, end: Callable[[subprocess.Popen[str]], None], *words: str, run: RunFolder | None = None
) -> RunFolder:
    """Launch, let `end` happen when there is a new state, and wait for the controller's end."""
    before, began = desk.runs(), place(run) if run else None
    with desk.start("launch", *words, *EVERY) as controller:
        deadline = time.monotonic() + RUN_TIMEOUT_SECONDS
        while run is None or place(run) == began:
            assert time.monotonic() < deadline
            assert controller.poll() is None, controller.communicate()
            if run is None and (new := desk.runs() - before):
                run = RunFolder(desk.folder / "runs" / new.pop())
                began = place(run)
            time.sleep(0.02)
        end(controller)
        output, _ = controller.communicate(timeout=RUN_TIMEOUT_SECONDS)
    (desk.folder / "output").write_text(output)
    return run


def ctrl_c(controller: subprocess.Popen[str]) -> None:
    controller.send_signal(signal.SIGINT)


def kill_a_worker(controller: subprocess.Popen[str]) -> None:
    workers_of(controller.pid)[-1].kill()


def kill_the_controller(controller: subprocess.Popen[str]) -> None:
    controller.kill()


@pytest.fixture(scope="module")
def whole(desk: Desk) -> tuple[object, ...]:
    """What the small model learns when nothing happens."""
    return learnt(desk, desk.launch(*WORDS["sage"], "--strategy", "single"))


def test_a_worker_that_is_killed_costs_no_bit(desk: Desk, whole: tuple[object, ...]) -> None:
    plan = ("--layers-per-node", "1", "--nodes", "3", "--max-restarts", "1")
    run = ended_by(desk, kill_a_worker, *WORDS["sage"], *plan)
    (attempt,) = run.attempts()
    assert attempt.after
    assert (attempt.attempt, attempt.after.kind) == (2, "killed")
    assert attempt.position.order > (1, 0, 1)
    assert learnt(desk, run) == whole
    assert not run.states.path.exists()
    told = (desk.folder / "output").read_text()
    assert "went on 1 time (pi3 killed by SIGKILL): the same bits as if nothing had happened" in told
    report = desk.picluster("report", run.name).stdout
    assert re.search(r"went on    .* from epoch .*, after pi3: killed by SIGKILL, first step after \d", report)


def fall_asleep(controller: subprocess.Popen[str]) -> None:
    """For longer than the workers wait; then wake up."""
    workers, deadline = workers_of(controller.pid), time.monotonic() + RUN_TIMEOUT_SECONDS
    controller.send_signal(signal.SIGSTOP)
    while any(each.status() != psutil.STATUS_ZOMBIE for each in workers):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    controller.send_signal(signal.SIGCONT)


@pytest.mark.slow
def test_a_controller_that_slept_goes_on_by_itself_and_whoever_attaches_is_told(
    desk: Desk, whole: tuple[object, ...]
) -> None:
    run = ended_by(desk, fall_asleep, *WORDS["sage"], "--layers-per-node", "1", "--nodes", "3", "--grace", "2")
    (attempt,) = run.attempts()
    assert attempt.after
    assert (attempt.after.kind, attempt.position.order > (1, 0, 1)) == ("paused", True)
    assert learnt(desk, run) == whole
    seen = desk.picluster("attach", run.name)
    assert seen.returncode == 0, seen.stderr
    assert "going on   the run: the controller slept for " in seen.stderr
    assert seen.stdout.splitlines()[-2].startswith("test accuracy 0.")


@pytest.mark.parametrize("end", [ctrl_c, kill_the_controller])
def test_a_run_that_was_ended_goes_on_under_another_plan_and_engine(
    desk: Desk, whole: tuple[object, ...], end: Callable[[subprocess.Popen[str]], None]
) -> None:
    run = ended_by(desk, end, *WORDS["sage"], "--layers-per-node", "1", "--nodes", "3")
    resumed = desk.picluster("launch", "--resume", run.name[-4:], *PLANS[0])
    assert resumed.returncode == 0, resumed.stderr
    assert "going on   attempt 2, from epoch" in resumed.stderr
    assert learnt(desk, run) == whole
    again = desk.picluster("launch", "--resume", run.name)
    assert again.returncode == 2
    assert f"run {run.name} has finished" in again.stderr


def test_a_damaged_state_is_told_and_the_one_before_is_taken(desk: Desk, whole: tuple[object, ...]) -> None:
    run = ended_by(desk, ctrl_c, *WORDS["sage"], "--strategy", "single")
    run = ended_by(desk, ctrl_c, "--resume", run.name, run=run)
    newest = place(run)
    for file in run.states.folder(newest).glob("*.safetensors"):
        os.truncate(file, file.stat().st_size - 1)
    resumed = desk.picluster("launch", "--resume", run.name)
    assert resumed.returncode == 0, resumed.stderr
    assert f"the state at {newest.words} cannot be used: " in resumed.stderr
    assert learnt(desk, run) == whole


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize(("model", "stops"), STOPS.items())
def test_a_run_that_is_stopped_often_and_goes_on_under_other_plans_equals_one_that_never_was(
    desk: Desk, model: str, stops: int
) -> None:
    """PICLUSTER_STOPS=10 stops each of them ten times."""
    expected = learnt(desk, desk.launch(*WORDS[model], "--strategy", "single"))
    run = ended_by(desk, ctrl_c, *WORDS[model], "--strategy", "single")
    *plans, last = PLANS[: int(os.environ.get("PICLUSTER_STOPS", stops))]
    for plan in plans:
        run = ended_by(desk, ctrl_c, "--resume", run.name, *plan, run=run)
    resumed = desk.picluster("launch", "--resume", run.name, *last)
    assert resumed.returncode == 0, resumed.stderr
    assert len(run.attempts()) == len(plans) + 1
    assert learnt(desk, run) == expected
