"""What breaks while a run goes on; what is left behind; clusters that several people share."""

from __future__ import annotations

import os
import signal

import pytest

from tests.lab.running import RunningLab, eventually
from tests.lab.shelf import Shelf, make_shelf

pytestmark = [pytest.mark.lab, pytest.mark.quiet]

GONE_SECONDS = 5.0
UNPLUGGED_GONE_SECONDS = 10.0
PI12, PI34 = ("--nodes", "pi1,pi2", "--layers-per-node", "2"), ("--nodes", "pi3,pi4", "--layers-per-node", "2")


@pytest.fixture(scope="module")
def shelf(lab: RunningLab, tmp_path_factory: pytest.TempPathFactory) -> Shelf:
    return make_shelf(tmp_path_factory.mktemp("desk"), lab)


def test_no_worker_outlives_a_killed_controller(shelf: Shelf) -> None:
    with shelf.training() as (controller, _):
        controller.kill()
        shelf.seconds_until_idle(GONE_SECONDS)
    told = shelf.desk.picluster("reap")
    assert (told.returncode, told.stdout) == (0, "nothing was left behind\n")


def test_a_killed_connection_ends_the_run_and_names_the_node(shelf: Shelf) -> None:
    with shelf.training() as (controller, run):
        shelf.lab.in_node("pi2", "pkill -KILL -f '[s]shd: pi@notty'")
        shelf.seconds_until_idle(GONE_SECONDS)
        controller.wait(GONE_SECONDS)
    result = run.result()
    assert result is not None
    assert result.failure is not None
    assert (result.failure.node, controller.returncode) == ("pi2", 5)
    assert "the connection to it was lost" in result.failure.cause


def test_a_node_that_goes_silent_ends_the_run_and_is_named(shelf: Shelf) -> None:
    with shelf.training() as (controller, run):
        with shelf.lab.broken("pi3", "--link-down"):
            shelf.seconds_until_idle(UNPLUGGED_GONE_SECONDS)
            controller.wait(UNPLUGGED_GONE_SECONDS)
        result = run.result()
        assert result is not None
        assert result.failure is not None
        assert (result.failure.node, controller.returncode) == ("pi3", 5)
    eventually(lambda: shelf.desk.picluster("reap").stdout == "nothing was left behind\n")


def test_the_kernel_s_kill_for_want_of_memory_is_named_as_that(shelf: Shelf) -> None:
    with shelf.training() as (controller, run):
        (worker,) = shelf.workers("pi4")
        # The kernel's own counter and its SIGKILL, made by a process that takes more than the node has.
        shelf.lab.in_node("pi4", f"echo 1000 > /proc/{worker}/oom_score_adj")
        hog = "import mmap; mmap.mmap(-1, 2 << 30).write(bytes(2 << 30))"
        shelf.lab.ssh("pi4", f"python3 -c '{hog}'", check=False)
        controller.wait(GONE_SECONDS)
    result = run.result()
    assert result is not None
    assert result.failure is not None
    assert (result.failure.node, result.failure.cause) == ("pi4", "the kernel killed it for want of memory")


def test_a_worker_that_cannot_end_itself_is_reaped_and_nothing_else(shelf: Shelf) -> None:
    with shelf.training(*PI12) as (_, alive), shelf.training(*PI34) as (controller, left):
        (frozen,) = shelf.workers("pi3")
        shelf.lab.in_node("pi3", f"kill -STOP {frozen}")
        controller.kill()
        eventually(lambda: not shelf.workers("pi4"), within_seconds=GONE_SECONDS)
        looked = shelf.desk.picluster("reap", "--dry-run")
        assert looked.stdout.startswith(f"would end the worker of run {left.name} on pi3: process {frozen}")
        assert shelf.workers("pi3") == [frozen]
        told = shelf.desk.picluster("reap")
        assert told.returncode == 0, told.stderr
        assert told.stdout.splitlines() == [looked.stdout.strip().replace("would end", "ended")]
        assert not shelf.workers("pi3")
        assert set(shelf.busy()) == {"pi1", "pi2"}
        assert alive.result() is None
    assert shelf.desk.picluster("reap").stdout == "nothing was left behind\n"


def test_a_busy_node_says_whose_it_is_and_stopping_one_run_leaves_the_other_alone(shelf: Shelf) -> None:
    with shelf.training(*PI12) as (first, held), shelf.training(*PI34) as (second, _):
        refused = shelf.desk.picluster("launch", "--nodes", "pi2", "--epochs", "1")
        assert refused.returncode == 5
        assert f"error: pi2: busy with run {held.name} of user {_user()} since " in refused.stderr
        assert first.poll() is None
        stopped = shelf.desk.picluster("stop", held.name)
        assert stopped.returncode == 0, stopped.stderr
        assert first.wait(GONE_SECONDS) == 130
        assert second.poll() is None
        assert set(shelf.busy()) == {"pi3", "pi4"}
    result = held.result()
    assert result is not None
    assert result.status == "stopped"


def test_who_waits_for_a_busy_node_gets_it_when_it_is_free(shelf: Shelf) -> None:
    wanted = ("--nodes", "pi2", "--epochs", "1", "--wait")
    with shelf.training(*PI12) as (first, _), shelf.desk.start("launch", *wanted) as waiting:
        assert waiting.stderr is not None
        lines = iter(waiting.stderr)
        assert any(line.startswith("waiting ") and "pi2 is busy with run " in line for line in lines)
        first.send_signal(signal.SIGINT)
        output, _ = waiting.communicate(timeout=60)
    assert waiting.returncode == 0
    assert "test accuracy" in output


def test_a_claim_is_the_node_s_whoever_asks_first_past_the_look(shelf: Shelf) -> None:
    """Two launches at the same moment: exactly one of them gets the nodes."""
    with (
        shelf.desk.start("launch", *PI12, "--epochs", "1000") as one,
        shelf.desk.start("launch", *PI12, "--epochs", "1000") as other,
    ):
        launches = (one, other)
        eventually(lambda: any(launch.poll() is not None for launch in launches), within_seconds=60)
        refused, trains = sorted(launches, key=lambda launch: launch.poll() is None)
        output, errors = refused.communicate(timeout=10)
        assert refused.returncode == 5, output + errors
        assert "busy with run" in errors
        eventually(lambda: set(shelf.busy()) == {"pi1", "pi2"})
        trains.send_signal(signal.SIGINT)
        assert trains.wait(GONE_SECONDS) == 130


def _user() -> str:
    return os.environ.get("LOGNAME") or os.environ.get("USER") or "root"
