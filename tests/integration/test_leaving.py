"""Launches that leave their terminal, and what others see of them."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from picluster.controller.record.leader import is_alive
from picluster.controller.record.run_folder import RunFolder
from tests.integration.desk import RUN_TIMEOUT_SECONDS, Desk
from tests.integration.terminal import SHOW_CURSOR, SMALL, Terminal, plain, terminal_of

pytestmark = pytest.mark.slow


@pytest.fixture
def terminals(desk: Desk) -> Iterator[list[Terminal]]:
    opened: list[Terminal] = []
    yield opened
    for each in opened:
        each.close()
    for name in desk.runs():
        controller = RunFolder(desk.folder / "runs" / name).run().controller
        if is_alive(controller):
            os.kill(controller.pid, signal.SIGKILL)


def test_a_detached_run_outlives_its_terminal_is_seen_from_others_and_stopped(
    desk: Desk, terminals: list[Terminal]
) -> None:
    before = desk.runs()
    first = terminal_of(desk, terminals, "launch", *SMALL, "--epochs", "100000", "--detach")
    code, words = first.end()
    assert code == 0, words
    (name,) = desk.runs() - before
    run = RunFolder(desk.folder / "runs" / name)
    assert plain(words)[-3:-1] == [
        f"run        runs/{name}",
        f"the run goes on; see it: picluster attach {run.letters}; end it: picluster stop {run.letters}",
    ]
    controller = psutil.Process(run.run().controller.pid)
    assert controller.terminal() is None
    assert os.getsid(controller.pid) == controller.pid
    held = {str(link.readlink()) for link in Path(f"/proc/{controller.pid}/fd").iterdir()}
    assert not [place for place in held if place.startswith("/dev/p")]
    first.close()  # as a window does
    controller.send_signal(signal.SIGHUP)

    second = terminal_of(desk, terminals, "attach", run.letters)
    second.read(until="validation 0.")
    os.write(second.screen, b"\x03")
    code, words = second.end()
    assert code == 130
    assert "the run goes on; " in words[words.rfind(SHOW_CURSOR) :]
    assert [line.split()[0] for line in plain(words) if "epoch " in line][-1] in ("training", "loss")
    assert controller.is_running()

    top = json.loads(desk.picluster("top", "--json", "--nodes", "4").stdout)
    roles = [[each["role"] for each in node["workers"] if each["run"] == name] for node in top["nodes"]]
    assert roles == [["sampler"], ["stage 1"], ["stage 2"], []]  # other tests' runs are on this machine, too

    with desk.start("attach", run.letters) as third:
        wait_for_line(third.stdout, "epoch ")
        stopped = desk.picluster("stop", run.letters)
        output, errors = third.communicate(timeout=RUN_TIMEOUT_SECONDS)
    told = f"error: run {name} was stopped by SIGTERM (picluster stop, or kill)"
    again = f"  fix: go on with it: picluster launch --resume {name}"
    assert (stopped.returncode, third.returncode, errors.splitlines()[-2:]) == (0, 130, [told, again]), output
    lines = run.terminal_file.read_text().splitlines()
    assert lines[-2:] == [told, again]
    assert lines[0].startswith("ready      3 nodes after ")


def wait_for_line(stream: object, beginning: str) -> None:
    assert stream is not None
    for line in stream:  # type: ignore[attr-defined]
        if line.startswith(beginning):
            return
    raise AssertionError(beginning)


def test_an_error_before_the_run_has_begun_is_told_on_the_terminal_with_its_exit_code(desk: Desk) -> None:
    before = desk.runs()
    done = desk.picluster("launch", *SMALL, "--hidden", "0", "--detach")
    assert done.returncode == 2
    assert "error: --hidden must be at least 1, not 0" in done.stderr
    assert desk.runs() == before


def test_ctrl_c_before_the_run_has_begun_ends_it(desk: Desk, terminals: list[Terminal]) -> None:
    before = desk.runs()
    terminal = terminal_of(desk, terminals, "launch", *SMALL, "--detach")
    terminal.read(until="engine     sockets")
    os.write(terminal.screen, b"\x03")
    code, words = terminal.end()
    assert code == 130, words
    assert "error: stopped by Ctrl-C" in words
    assert desk.runs() == before


def test_whoever_looks_on_sees_a_detached_run_end_as_its_launch_would(desk: Desk, terminals: list[Terminal]) -> None:
    done = desk.picluster("launch", *SMALL, "--epochs", "30", "--detach")
    assert done.returncode == 0, done.stderr
    letters = done.stdout.split("picluster attach ")[1][:4]
    code, words = terminal_of(desk, terminals, "attach", letters).end()
    assert code == 0, words
    after = plain(words[words.rfind(SHOW_CURSOR) :])
    assert after[0].startswith("test accuracy 0.")
    assert after[1] == f"the nodes' memory and times: picluster report {letters}"
    heads = [
        line for line in plain(words) if line.startswith(("starting", "training", "testing", "ending", "finished"))
    ]
    assert heads[-1].startswith("finished   after epoch 30 of 30")
    assert max(map(len, plain(words))) <= 80
