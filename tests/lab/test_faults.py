"""What breaks while a run goes on; what is left behind; clusters that several people share."""

from __future__ import annotations

import os
import re
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from picluster.controller.record.run_folder import RunFolder
from picluster.lab.faults import Fault, break_it
from picluster.schema.events import StepDone
from tests.integration.desk import make_desk
from tests.lab.running import RunningLab, eventually
from tests.lab.shelf import END_SECONDS, START_SECONDS, Shelf, make_shelf
from tests.learnt import learnt

pytestmark = pytest.mark.lab

GONE_SECONDS = 5.0
PI12, PI34 = ("--nodes", "pi1,pi2", "--layers-per-node", "2"), ("--nodes", "pi3,pi4", "--layers-per-node", "2")


@pytest.fixture(scope="module")
def shelf(lab: RunningLab, tmp_path_factory: pytest.TempPathFactory) -> Shelf:
    return make_shelf(tmp_path_factory.mktemp("desk"), lab)


@pytest.mark.quiet
def test_no_worker_outlives_a_killed_controller(shelf: Shelf) -> None:
    with shelf.training() as (controller, _):
        controller.kill()
        shelf.seconds_until_idle(GONE_SECONDS)
    told = shelf.desk.picluster("reap")
    assert (told.returncode, told.stdout) == (0, "nothing was left behind\n")


def kill(shelf: Shelf, node: str, signal_name: str = "KILL") -> None:
    (worker,) = shelf.workers(node)
    shelf.lab.in_node(node, f"kill -{signal_name} {worker}")


def stop(shelf: Shelf, node: str) -> None:
    kill(shelf, node, "STOP")


def cut_ssh(shelf: Shelf, node: str) -> None:
    shelf.lab.in_node(node, "pkill -KILL -f '[s]shd: pi@notty'")


def unplug(shelf: Shelf, node: str) -> None:
    break_it(shelf.lab.name, node, Fault.LINK_DOWN, print)


def mend(shelf: Shelf, node: str) -> None:
    break_it(shelf.lab.name, node, Fault.RESTORE, print)


def starve(shelf: Shelf, node: str) -> None:
    """The kernel's own SIGKILL, made by a process that takes more than the node has."""
    (worker,) = shelf.workers(node)
    shelf.lab.in_node(node, f"echo 1000 > /proc/{worker}/oom_score_adj")
    hog = "import mmap; mmap.mmap(-1, 2 << 30).write(bytes(2 << 30))"
    shelf.lab.ssh(node, f"python3 -c '{hog}'", check=False)


@pytest.mark.quiet
@pytest.mark.parametrize(
    ("strike", "named_seconds", "kind", "words"),
    [
        (kill, 2.0, "killed", "killed by SIGKILL"),
        pytest.param(
            *(cut_ssh, 2.0, "unreachable", "the connection to it was lost"), marks=pytest.mark.thorough
        ),  # as `unplug`, but that the node can still be reached
        (starve, 2.0, "out-of-memory", r"the kernel killed it .*: it held \d+ MiB, the limit there is 1,024 MiB"),
        (unplug, 6.0, "unreachable", "the connection to it was lost"),
        (stop, 10.0, "frozen", "it said nothing for . s: its process is stopped"),
    ],
)
def test_a_fault_is_named_in_time_and_nobody_is_left_behind(
    shelf: Shelf, strike: Callable[[Shelf, str], None], named_seconds: float, kind: str, words: str
) -> None:
    with shelf.training("--max-restarts", "0") as (controller, run):
        (node,) = run.plan().stages[-1].nodes[-1:]
        strike(shelf, node)
        struck = time.time()
        controller.wait(END_SECONDS)
    mend(shelf, node)
    result = run.result()
    assert result is not None
    assert result.failure is not None
    failure = result.failure
    assert (controller.returncode, failure.node, failure.kind, failure.role) == (5, node, kind, "stage 2")
    assert re.search(words, failure.cause)
    assert failure.found - struck < named_seconds
    eventually(lambda: not shelf.busy(), within_seconds=GONE_SECONDS)
    assert shelf.desk.picluster("reap").stdout == "nothing was left behind\n"


@contextmanager
def only_read(shelf: Shelf, node: str) -> Iterator[None]:
    """A card that takes nothing any more, as one that fails does; whole again at the end."""
    cache = "/home/pi/.cache/picluster"
    shelf.lab.in_node(node, f"mount --bind {cache} {cache} && mount -o remount,bind,ro {cache}")
    try:
        yield
    finally:
        shelf.lab.in_node(node, f"umount {cache}")


@contextmanager
def damaged(shelf: Shelf, node: str, file: str) -> Iterator[None]:
    """A file of picluster on a node that is cut short; whole again at the end."""
    place = f"/opt/picluster/.venv/lib/python3*/site-packages/picluster/{file}"
    shelf.lab.in_node(node, f"head -c 100 {place} > /root/cut && mount --bind /root/cut {place}")
    try:
        yield
    finally:
        shelf.lab.in_node(node, f"umount {place}")


def test_a_worker_that_ends_at_once_without_a_word_is_named_and_left_out(shelf: Shelf, tmp_path: Path) -> None:
    task = ("--epochs", "3")
    with damaged(shelf, "pi2", "worker/session.py"):
        run = shelf.desk.launch("--layers-per-node", "1", *task)
    (fault,) = [each.after for each in run.attempts()]
    assert fault
    assert (fault.node, fault.kind) == ("pi2", "ended")
    assert fault.cause == "ended with exit code 1 before its work was done"
    assert "session.py" in "".join(fault.last_lines)
    assert "pi2" not in run.plan().nodes
    assert learnt(run) == learnt(make_desk(tmp_path).launch(*task, "--strategy", "single"))


@pytest.mark.quiet
@pytest.mark.timeout(900)
def test_a_short_cut_does_nothing_and_after_each_fault_training_goes_on_to_the_same_bits(
    shelf: Shelf, tmp_path: Path
) -> None:
    task = ("--epochs", "12", "--checkpoint-every", "2s")
    with shelf.training(*task) as (controller, run):
        cut = run.plan().stages[0].nodes[0]
        unplug(shelf, cut)
        time.sleep(3)
        mend(shelf, cut)
        time.sleep(GONE_SECONDS)
        assert not run.attempts()
        with only_read(shelf, cut):
            eventually(lambda: has_trained(run, 2), within_seconds=START_SECONDS)
        plan = run.plan()
        killed, powerless = plan.stages[0].nodes[0], plan.stages[-1].nodes[0]
        with shelf.lab.broken(powerless, "--kill"):
            kill(shelf, killed)
            output, _ = controller.communicate(timeout=START_SECONDS * 4)
        assert controller.returncode == 0, output
    faults = [each.after for each in run.attempts() if each.after]
    assert [(each.node, each.kind) for each in faults] == [(cut, "disk"), (killed, "killed")]
    assert "Read-only file system" in faults[0].cause
    assert cut not in plan.nodes
    assert not {cut, powerless} & set(run.plan().nodes)
    assert learnt(run) == learnt(make_desk(tmp_path).launch(*task, "--strategy", "single"))


def has_trained(run: RunFolder, attempt: int) -> bool:
    """Whether an attempt has made a step."""
    steps = (each for node in run.plan().nodes for each in run.metrics(node) if isinstance(each.event, StepDone))
    return any(each.attempt == attempt for each in steps)


@pytest.mark.quiet
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


@pytest.mark.quiet
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
        output, _ = waiting.communicate(timeout=240)
    assert waiting.returncode == 0
    assert "test accuracy" in output


@pytest.mark.quiet
def test_a_claim_is_the_node_s_whoever_asks_first_past_the_look(shelf: Shelf) -> None:
    """Two launches at the same moment: exactly one of them gets the nodes."""
    with (
        shelf.desk.start("launch", *PI12, "--epochs", "1000") as one,
        shelf.desk.start("launch", *PI12, "--epochs", "1000") as other,
    ):
        launches = (one, other)
        eventually(lambda: any(launch.poll() is not None for launch in launches), within_seconds=240)
        refused, trains = sorted(launches, key=lambda launch: launch.poll() is None)
        output, errors = refused.communicate(timeout=240)
        assert refused.returncode == 5, output + errors
        assert "busy with run" in errors
        eventually(lambda: set(shelf.busy()) == {"pi1", "pi2"})
        trains.send_signal(signal.SIGINT)
        assert trains.wait(GONE_SECONDS) == 130


def _user() -> str:
    return os.environ.get("LOGNAME") or os.environ.get("USER") or "root"
