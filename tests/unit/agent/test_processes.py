"""What a node says of a worker's process."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from picluster.agent.control_groups import is_frozen
from picluster.agent.processes import state_of_worker, workers

RUN = "the run; echo"


@contextmanager
def worker(folder: Path, node: str, *before: str) -> Iterator[subprocess.Popen[bytes]]:
    """A process that is called as a worker is."""
    program = folder / "picluster-worker"
    program.write_text("import sys, time\nprint('begun', flush=True)\ntime.sleep(60)\n")
    words = [*before, sys.executable, str(program), "work", f"--run={RUN}", f"--node={node}"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, start_new_session=True) as process:
        assert process.stdout is not None
        process.stdout.readline()
        yield process
        process.kill()


def state_becomes(expected: str) -> bool:
    deadline = time.monotonic() + 10
    while state_of_worker(RUN, "pi1") != expected:
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


def test_a_worker_lives_is_stopped_goes_on_and_is_gone(tmp_path: Path) -> None:
    assert state_of_worker(RUN, "pi1") == "gone"
    with worker(tmp_path, "pi1") as process:
        assert state_becomes("lives")
        process.send_signal(signal.SIGSTOP)
        assert state_becomes("stopped")
        process.send_signal(signal.SIGCONT)
        assert state_becomes("lives")
        process.kill()
        assert state_becomes("gone")


def test_neither_another_node_s_worker_nor_the_shell_around_it_is_meant(tmp_path: Path) -> None:
    with ExitStack() as stack:
        mine = stack.enter_context(worker(tmp_path, "pi1"))
        stack.enter_context(worker(tmp_path, "pi2"))
        assert workers(RUN, "pi1") == [mine.pid]
        mine.kill()
        mine.wait()
        shell = stack.enter_context(worker(tmp_path, "pi1", "/bin/sh", "-c", '"$@"; exit $?', "sh"))
        (inner,) = workers(RUN, "pi1")
        assert inner != shell.pid
        os.kill(inner, signal.SIGKILL)


@pytest.mark.parametrize(
    ("groups", "file", "told", "frozen"),
    [
        ("0::/a/b\n", "a/b/cgroup.events", "populated 1\nfrozen 1\n", True),
        ("0::/a/b\n", "a/b/cgroup.events", "populated 1\nfrozen 0\n", False),
        ("7:memory:/a\n3:freezer:/a/b\n0::/\n", "freezer/a/b/freezer.state", "FROZEN\n", True),
        ("7:memory:/a\n3:freezer:/a/b\n0::/\n", "freezer/a/b/freezer.state", "THAWED\n", False),
        ("0::/a/b\n", "other", "", False),
    ],
    ids=["frozen, version 2", "not frozen, version 2", "frozen, version 1", "not frozen, version 1", "no such file"],
)
def test_a_control_group_tells_whether_it_is_frozen(
    tmp_path: Path, groups: str, file: str, told: str, frozen: bool
) -> None:
    (tmp_path / "proc" / "7").mkdir(parents=True)
    (tmp_path / "proc" / "7" / "cgroup").write_text(groups)
    place = tmp_path / "sys/fs/cgroup" / file
    place.parent.mkdir(parents=True)
    place.write_text(told)
    assert is_frozen(7, tmp_path) == frozen
