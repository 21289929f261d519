"""Ending runs, and what is taken for left behind. Real workers on nodes are the lab's business."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import msgspec
import psutil
import pytest

from picluster.controller.nodes import reaping
from picluster.controller.nodes.inventory import Node, RemoteNode
from picluster.controller.record.leader import this_controller
from picluster.controller.record.run_folder import RunFolder
from picluster.errors import InputError
from picluster.schema.run import Controller
from tests.unit.controller.made import copy_of_run_v1

HERE = [Node("local1"), Node("local2")]
GONE = msgspec.structs.replace(this_controller(), started=0.0)
HOLD = """
import sys
from picluster.schema.job import Claim
from picluster.schema.record import from_json
from picluster.worker.claim import hold
hold(from_json(Claim, sys.argv[1], source="the test"))
print("held", flush=True)
input()
"""


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    folder = RunFolder(copy_of_run_v1(tmp_path / "run"))
    folder.result_file.unlink()
    return folder


def led_by(run: RunFolder, controller: Controller) -> RunFolder:
    run.begin(msgspec.structs.replace(run.run(), controller=controller), run.plan(), run.environment())
    return run


def holder(controller: Controller, name: str) -> subprocess.Popen[str]:
    """A process that has claimed this machine, not for itself alone."""
    claim = {"run": name, "node": "local1", "is_exclusive": False, "grace_seconds": 5.0}
    words = msgspec.json.encode({**claim, "controller": msgspec.to_builtins(controller)}).decode()
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, words],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def test_a_run_is_ended_by_its_controller(run: RunFolder) -> None:
    with subprocess.Popen(["sleep", "60"]) as process:  # noqa: S607
        controller = msgspec.structs.replace(
            this_controller(), pid=process.pid, started=psutil.Process(process.pid).create_time()
        )
        assert reaping.stop(led_by(run, controller))
        assert process.wait(5) == -signal.SIGTERM


def test_a_run_that_has_ended_is_not_stopped_again(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="has ended already"):
        reaping.stop(RunFolder(copy_of_run_v1(tmp_path / "run")))


def test_a_run_of_another_machine_is_not_touched(run: RunFolder) -> None:
    elsewhere = msgspec.structs.replace(this_controller(), machine="another", host="desk")
    with pytest.raises(InputError, match="is led from desk, not from this machine"):
        reaping.stop(led_by(run, elsewhere))


def test_a_process_that_only_has_the_controller_s_number_is_not_touched(run: RunFolder) -> None:
    assert not reaping.stop(led_by(run, msgspec.structs.replace(GONE, pid=os.getpid())))


def test_what_is_left_behind_is_found_once_and_ended_and_what_is_led_is_left_alone() -> None:
    name = f"test-{os.getpid()}-{time.monotonic_ns()}"
    with holder(GONE, name) as left, holder(this_controller(), name) as led:
        found, errors = reaping.left_behind(HERE, name)
        assert [(each.node, each.claim.pid) for each in found] == [("local1", left.pid)]
        assert not errors
        assert reaping.left_behind(HERE, "another run") == ([], {})
        reaping.end(HERE, found)
        assert left.wait(5) == -signal.SIGKILL
        assert reaping.left_behind(HERE, name) == ([], {})
        assert led.poll() is None
        led.kill()


def test_workers_of_another_machine_s_controllers_are_not_taken_for_left_behind() -> None:
    name = f"test-{os.getpid()}-{time.monotonic_ns()}"
    with holder(msgspec.structs.replace(GONE, machine="another"), name) as other:
        assert reaping.left_behind(HERE, name) == ([], {})
        other.kill()


def test_a_node_that_cannot_be_asked_is_told_and_hides_nobody() -> None:
    name = f"test-{os.getpid()}-{time.monotonic_ns()}"
    away = RemoteNode("pi9", ssh_words=("-F", "none", "-p", "1", "127.0.0.1"))
    with holder(GONE, name) as left:
        found, errors = reaping.left_behind([away, *HERE], name)
        assert [each.claim.pid for each in found] == [left.pid]
        assert list(errors) == ["pi9"]
        left.kill()
