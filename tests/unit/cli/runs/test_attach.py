"""`picluster attach` on run folders as they grow, and as they are at the end."""

from __future__ import annotations

import io
import threading
import time
from pathlib import Path

import msgspec
import pytest

from picluster.cli.runs import attach
from picluster.controller.record.leader import this_controller
from picluster.controller.record.run_folder import RunFolder
from picluster.controller.running.detection.diagnosis import own_failure
from picluster.errors import DataError
from picluster.schema.events import Ended, EpochDone
from picluster.schema.run import Failure, Result, Resumption
from picluster.schema.state import Position
from tests.unit.cli.conftest import Picluster
from tests.unit.cli.show.test_live_view import READY
from tests.unit.controller.made import copy_of_run_v1

FAILED = Failure(
    node="local2", layers=(1,), cause="killed by SIGKILL", fix="picluster doctor", log="nodes/local2/log.txt"
)


@pytest.fixture
def run(here: Path) -> RunFolder:
    """The committed run, among the runs of the working folder."""
    return RunFolder(copy_of_run_v1(here / "runs" / "the-run"))


@pytest.fixture
def led(run: RunFolder) -> RunFolder:
    """The same without a result: this process leads it."""
    run.result_file.unlink()
    task = msgspec.structs.replace(run.run(), controller=this_controller(), started=time.time())
    run.begin(task, run.plan(), run.environment())
    return run


def ended(run: RunFolder, result: Result) -> None:
    run.result_file.unlink()
    run.end(result)


def test_a_finished_run_is_told_as_its_launch_told_it(picluster: Picluster, run: RunFolder) -> None:
    answer = picluster("attach", "the-run")
    epochs = [each.event for each in run.events() if isinstance(each.event, EpochDone)]
    assert (answer.code, answer.err) == (0, "")
    first, ready, *told, test, last = answer.out.splitlines()
    assert first == "run        runs/the-run"
    assert ready.startswith("ready      4 nodes after ")
    assert [line.split()[:4] for line in told] == [
        ["epoch", f"{epoch.epoch}/{len(epochs)}", "loss", f"{epoch.loss:.4f}"] for epoch in epochs
    ]
    assert test == "test accuracy 0.1012 at the best validation"
    assert last == "the nodes' memory and times: picluster report the-run"


def test_a_failed_run_is_told_with_exit_code_message_and_the_log_of_who_failed(
    picluster: Picluster, run: RunFolder
) -> None:
    for node in ("local1", "local2"):
        run.append_log(node, f"last words of {node}\n".encode())
    ended(run, Result(status="failed", failure=FAILED, test_accuracy=None, ended=0.0))
    answer = picluster("attach")
    assert answer.code == 5
    assert answer.err == (
        "local2 │ last words of local2\n"
        "error: node local2 (layer 1) failed: killed by SIGKILL\n"
        "  fix: picluster doctor -i inventory/local.yml\n"
        "  log: runs/the-run/nodes/local2/log.txt\n"
    )


def test_an_error_of_the_controller_is_told_with_the_exit_code_that_the_launch_had(
    picluster: Picluster, run: RunFolder
) -> None:
    full = DataError("cannot write a file: No space left on device", fix="make room on the disk", fault="disk")
    ended(run, Result(status="failed", failure=own_failure(full), test_accuracy=None, ended=0.0))
    answer = picluster("attach")
    assert answer.code == full.exit_code == 3
    assert answer.err == f"error: {full}\n"


def test_a_stopped_run_says_who_stopped_it(picluster: Picluster, run: RunFolder) -> None:
    ended(run, Result(status="stopped", failure=None, test_accuracy=None, ended=0.0, stopped_by="Ctrl-C"))
    answer = picluster("attach")
    assert answer.code == 130
    assert answer.err == (
        "error: run the-run was stopped by Ctrl-C\n  fix: go on with it: picluster launch --resume the-run "
        "-i inventory/local.yml\n"
    )


def test_a_run_whose_controller_was_killed_does_not_keep_anybody_waiting(picluster: Picluster, run: RunFolder) -> None:
    run.result_file.unlink()
    answer = picluster("attach")
    assert answer.code == 5
    assert answer.err.startswith("error: the run failed: there is no result: the controller on ")


def test_what_is_told_while_somebody_looks_comes_at_once(picluster: Picluster, led: RunFolder) -> None:
    def go_on() -> None:
        time.sleep(0.5)
        led.record(
            "local4", EpochDone(epoch=9, loss=0.5, train_accuracy=0.25, validation_accuracy=0.5, best=True, seconds=1)
        )
        led.append_log("local2", b"a warn")
        time.sleep(0.3)
        led.append_log("local2", b"ing\n")
        time.sleep(0.3)
        led.end(Result(status="finished", failure=None, test_accuracy=0.5, ended=time.time()))

    going_on = threading.Thread(target=go_on)
    going_on.start()
    answer = picluster("attach")
    going_on.join()
    assert answer.code == 0
    assert "epoch 9/" in answer.out
    assert answer.err == "local2 │ a warning\n"


def test_a_run_that_went_on_is_shown_attempt_by_attempt_each_under_its_plan(
    picluster: Picluster, led: RunFolder
) -> None:
    last = [each.event for each in led.events() if isinstance(each.event, EpochDone)][-1]
    plan = msgspec.structs.replace(led.plan(), sampler=("other",), idle=("local1",))
    position = Position(epoch=2, step=3)
    led.keep_attempt(
        Resumption(
            attempt=2, started=time.time(), after=FAILED, position=position, plan=plan, controller=this_controller()
        )
    )
    led.record("other", READY, attempt=2)
    led.record("local4", last, attempt=2)
    led.append_log("other", b"a warning\n")
    led.end(Result(status="finished", failure=None, test_accuracy=0.5, ended=time.time()))
    answer = picluster("attach")
    assert answer.code == 0, answer.err
    why = "local2: killed by SIGKILL; attempt 2, from epoch 2, step 3, on other, local2, local3, local4"
    assert answer.err == f"going on   {why}\n"
    assert answer.out.count(f"epoch {last.epoch}/") == 2


def test_events_come_in_the_order_of_their_times_whichever_file_they_stand_in(run: RunFolder) -> None:
    from picluster.controller.record.following import follow_run

    told = list(follow_run(run))
    everything = [*run.events(), *(each for node in run.plan().nodes for each in run.metrics(node))]
    assert [each.time for each in told] == sorted(each.time for each in everything)
    assert isinstance(told[-1].event, Ended)


def test_a_damaged_line_is_named(picluster: Picluster, run: RunFolder) -> None:
    with run.events_file.open("ab") as file:
        file.write(b'{"time":1,"node":"local1"}\n')
    answer = picluster("attach")
    assert answer.code == 3
    assert "runs/the-run/events.jsonl has no event in a line: " in answer.err


def test_the_view_counts_the_time_of_the_run_and_not_of_looking(
    run: RunFolder, monkeypatch: pytest.MonkeyPatch, here: Path
) -> None:
    assert here.is_dir()

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    screen = Terminal()
    monkeypatch.setattr("sys.stdout", screen)
    monkeypatch.setenv("TERM", "xterm-256color")
    result = attach._show(run)
    seconds = result.ended - run.run().started
    last = screen.getvalue()
    headline = last[last.rindex("finished") :].splitlines()[0]
    assert seconds < 60
    assert f"0:{seconds:02.0f}" in headline
