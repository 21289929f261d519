"""However a run ends: no worker stays, the culprit is named, the run folder tells."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from picluster.controller.record.run_folder import RunFolder
from picluster.schema.events import EpochDone
from tests.integration.desk import GRAPH, RUN_TIMEOUT_SECONDS, Desk, workers_of

GONE_SECONDS = 5.0
HEARD_SECONDS = 2.5
PLAN = ("--layers-per-node", "1", "--nodes", "4", "--micro-batches", "2")
LONG = ("launch", *GRAPH, "--hidden", "16", *PLAN, "--epochs", "100000")


@contextmanager
def running(
    desk: Desk, *more: str, under: tuple[str, ...] = ()
) -> Iterator[tuple[subprocess.Popen[str], RunFolder, dict[str, psutil.Process]]]:
    """A run in the middle of its training, and its workers by node."""
    before = desk.runs()
    with desk.start(*LONG, *more, under=under) as controller:
        try:
            deadline = time.monotonic() + RUN_TIMEOUT_SECONDS
            while not desk.runs() - before:
                assert controller.poll() is None, controller.communicate()
                assert time.monotonic() < deadline
                time.sleep(0.05)
            (name,) = desk.runs() - before
            run = RunFolder(desk.folder / "runs" / name)
            while not has_trained(run):
                assert controller.poll() is None, controller.communicate()
                assert time.monotonic() < deadline
                time.sleep(0.05)
            workers = workers_of(controller.pid)
            by_node = {node_of(worker, run): worker for worker in workers}
            assert set(by_node) == set(run.plan().nodes)
            yield controller, run, by_node
        finally:
            if controller.poll() is None:
                os.kill(controller.pid, signal.SIGCONT)
                controller.kill()


def has_trained(run: RunFolder) -> bool:
    return run.events_file.exists() and any(
        recorded.event.__class__.__name__ == "EpochDone" for recorded in run.events()
    )


def node_of(worker: psutil.Process, run: RunFolder) -> str:
    """As its command line tells."""
    return next(node for node in run.plan().nodes if f"--node={node}" in worker.cmdline())


def assert_gone(workers: Iterable[psutil.Process], since: float, within: float = GONE_SECONDS) -> None:
    while any(is_at_work(worker) for worker in workers):
        assert time.monotonic() < since + within
        time.sleep(0.05)


def is_at_work(worker: psutil.Process) -> bool:
    """A zombie is not: it only waits for its parent, who may be frozen."""
    try:
        return worker.is_running() and worker.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def report_of(desk: Desk, run: RunFolder) -> dict[str, object]:
    told = desk.picluster("report", run.name, "--json")
    assert told.returncode == 0, told.stderr
    report = json.loads(told.stdout)
    assert isinstance(report, dict)
    return report


@pytest.mark.parametrize(
    ("number", "by"),
    [
        pytest.param(signal.SIGINT, "Ctrl-C", marks=[pytest.mark.slow, pytest.mark.thorough]),  # see test_python.py
        pytest.param(signal.SIGHUP, "SIGHUP (its terminal was closed)", marks=pytest.mark.slow),
    ],
)
def test_a_stopped_run_ends_at_once_and_says_so(desk: Desk, number: signal.Signals, by: str) -> None:
    with running(desk) as (controller, run, workers):
        began = time.monotonic()
        os.killpg(controller.pid, number)  # as a terminal does
        _, errors = controller.communicate(timeout=GONE_SECONDS)
        assert_gone(workers.values(), began)
    assert controller.returncode == 130
    assert "stopped" in errors
    assert "Traceback" not in errors
    report = report_of(desk, run)
    assert (report["status"], report["stopped_by"]) == ("stopped", by)
    assert report["epochs"]


@pytest.mark.slow
def test_an_impatient_second_ctrl_c_changes_nothing(desk: Desk) -> None:
    with running(desk) as (controller, run, workers):
        began = time.monotonic()
        for _ in range(3):
            os.killpg(controller.pid, signal.SIGINT)
            time.sleep(0.05)
        _, errors = controller.communicate(timeout=GONE_SECONDS)
        assert_gone(workers.values(), began)
    assert controller.returncode == 130
    assert "Traceback" not in errors
    result = run.result()
    assert result is not None
    assert result.status == "stopped"


@pytest.mark.slow
def test_workers_end_when_their_controller_is_killed(desk: Desk) -> None:
    with running(desk) as (controller, run, workers):
        began = time.monotonic()
        controller.kill()
        # They see the end of their input: none waits until the heartbeat is overdue.
        assert_gone(workers.values(), began, within=HEARD_SECONDS)
    report = report_of(desk, run)
    assert report["status"] == "failed"
    assert isinstance(report["failure"], dict)
    assert "controller" in report["failure"]["cause"]
    assert report["failure"]["node"] is None


@pytest.mark.slow
def test_workers_that_are_not_ready_yet_end_too_when_their_controller_is_killed(desk: Desk) -> None:
    with desk.start(*LONG) as controller:
        try:
            deadline = time.monotonic() + RUN_TIMEOUT_SECONDS
            while len(workers := workers_of(controller.pid)) < 4:
                assert controller.poll() is None
                assert time.monotonic() < deadline
                time.sleep(0.02)
            began = time.monotonic()
        finally:
            controller.kill()
        assert_gone(workers, began)


@pytest.mark.slow
def test_a_pause_within_the_grace_changes_nothing(desk: Desk) -> None:
    with running(desk, "--grace", "30") as (controller, _, workers):
        os.kill(controller.pid, signal.SIGSTOP)
        time.sleep(3)
        os.kill(controller.pid, signal.SIGCONT)
        time.sleep(1)
        assert controller.poll() is None
        assert all(worker.is_running() for worker in workers.values())


@pytest.mark.slow
def test_a_run_under_nohup_outlives_its_terminal(desk: Desk) -> None:
    nohup = shutil.which("nohup")
    assert nohup
    with running(desk, under=(nohup,)) as (controller, run, workers):
        os.kill(controller.pid, signal.SIGHUP)
        time.sleep(1)
        assert controller.poll() is None
        assert all(worker.is_running() for worker in workers.values())
        os.kill(controller.pid, signal.SIGTERM)
        controller.communicate(timeout=GONE_SECONDS)
    assert report_of(desk, run)["stopped_by"] == "SIGTERM (picluster stop, or kill)"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("redirection", "told"),
    [
        ("| head -1", ["nobody reads standard output any more"]),
        ("> /dev/full", ["cannot write to standard output: No space left on device"]),
        (">&- 2>&-", []),
    ],
)
def test_a_run_that_nobody_reads_goes_on_to_its_end(desk: Desk, redirection: str, told: list[str]) -> None:
    shell, before = shutil.which("bash"), desk.runs()
    assert shell
    words = desk.command("launch", *GRAPH, "--hidden", "8", "--layers-per-node", "1", "--nodes", "3", "--epochs", "3")
    done = subprocess.run(
        [shell, "-o", "pipefail", "-c", f'"$@" {redirection}', "shell", *words],
        cwd=desk.folder,
        env=desk.environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=RUN_TIMEOUT_SECONDS,
    )
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    notes = [line.removeprefix("note       ") for line in done.stderr.splitlines() if "; the run goes on" in line]
    assert [note.partition(";")[0] for note in notes] == told
    (name,) = desk.runs() - before
    run = RunFolder(desk.folder / "runs" / name)
    result = run.result()
    assert result is not None
    assert result.status == "finished"
    assert len([each for each in run.events() if isinstance(each.event, EpochDone)]) == 3


@pytest.mark.slow
@pytest.mark.parametrize("role", ["stage 1", "sampler"])
def test_a_killed_worker_is_named_and_takes_the_others_along(desk: Desk, role: str) -> None:
    with running(desk) as (controller, run, workers):
        plan = run.plan()
        node = next(node for node in plan.nodes if plan.role_of(node) == role)
        began = time.monotonic()
        workers[node].kill()
        _, errors = controller.communicate(timeout=GONE_SECONDS + 5)
        assert_gone(workers.values(), began)
    assert controller.returncode == 5
    assert f"node {node}" in errors
    assert "SIGKILL" in errors
    assert "Traceback" not in errors
    report = report_of(desk, run)
    assert report["status"] == "failed"
    assert isinstance(report["failure"], dict)
    assert report["failure"]["node"] == node
    assert tuple(report["failure"]["layers"]) == plan.layers_of(node)
    assert (desk.folder / report["failure"]["log"]).samefile(run.log_file(node))


@pytest.mark.slow
def test_a_loss_that_is_no_number_ends_the_run_with_a_reason(desk: Desk) -> None:
    words = (*GRAPH, "--layers-per-node", "1", "--nodes", "3", "--learning-rate", "1e30", "--epochs", "3")
    done = desk.picluster("launch", *words)
    assert done.returncode == 5
    assert "the loss became" in done.stderr
    assert "lower the learning rate" in done.stderr


@pytest.mark.slow
def test_a_worker_that_fails_before_it_is_ready_is_named(desk: Desk, tmp_path: Path) -> None:
    """A model that can be described, but breaks on a worker."""
    model = tmp_path / "broken model.py"
    source = (desk.folder / "models" / "sage.py").read_text()
    model.write_text(source + "\nimport sys\nif 'work' in sys.argv:\n    raise OSError('no such luck')\n")
    done = desk.picluster("launch", *GRAPH, "--model", str(model), "--layers-per-node", "1", "--nodes", "3")
    assert done.returncode == 5
    assert "no such luck" in done.stderr
    assert "node pi2 (stage 1, layer 1)" in done.stderr or "node pi3 (stage 2, layer 2)" in done.stderr
