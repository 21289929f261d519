"""Runs that are struck, ended and gone on with: tasks, plans, and what may happen to them."""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import psutil

from picluster.controller.record.run_folder import RunFolder
from tests.integration.desk import GRAPH, RUN_TIMEOUT_SECONDS, Desk, worker_of, workers_of

if TYPE_CHECKING:
    from picluster.schema.state import Position

SMALL = (*GRAPH, "--hidden", "8", "--batch-size", "16", "--micro-batches", "2")
WORDS = {
    "sage": ("--model", "sage", *SMALL, "--epochs", "8"),
    "gcn": ("--model", "gcn", *GRAPH, "--hidden", "8", "--micro-batches", "2", "--epochs", "60"),
    "gcnii": ("--model", "gcnii", *SMALL, "--depth", "3", "--epochs", "12", "--patience", "4"),
}
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
        output, errors = controller.communicate(timeout=RUN_TIMEOUT_SECONDS)
    assert controller.returncode == ENDS[end], output + errors
    (desk.folder / "output").write_text(output)
    return run


def ctrl_c(controller: subprocess.Popen[str]) -> None:
    controller.send_signal(signal.SIGINT)


def kill_a_worker(controller: subprocess.Popen[str]) -> None:
    worker_of(controller.pid, "pi3").kill()


def kill_the_controller(controller: subprocess.Popen[str]) -> None:
    controller.kill()


def fall_asleep(controller: subprocess.Popen[str]) -> None:
    """For longer than the workers wait; then wake up."""
    controller.send_signal(signal.SIGSTOP)  # from now on it forgets nobody who has ended
    workers, deadline = workers_of(controller.pid), time.monotonic() + RUN_TIMEOUT_SECONDS
    while any(each.status() != psutil.STATUS_ZOMBIE for each in workers):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    controller.send_signal(signal.SIGCONT)


ENDS: dict[Callable[[subprocess.Popen[str]], None], int] = {
    ctrl_c: 130,
    kill_a_worker: 0,
    kill_the_controller: -signal.SIGKILL,
    fall_asleep: 0,
}
"""Exit code of the controller after each."""
