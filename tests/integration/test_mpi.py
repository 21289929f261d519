"""The mpi engine: real Open MPI processes; the same losses as of sockets, and nothing left however a run ends."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from tests.integration.desk import Desk, losses
from tests.integration.test_ends import GONE_SECONDS, HEARD_SECONDS, assert_gone, running
from tests.integration.test_parity import SAME
from tests.unit.worker.engines.mpi.test_daemon import connects

pytest.importorskip("mpi4py", reason="these tests need Open MPI: make setup EXTRAS=mpi")

pytestmark = pytest.mark.slow

SPEC = (*SAME, "--batch-size", "64", "--epochs", "2", "--fanout", "5,4")
HYBRID = ("--layers-per-node", "1", "--nodes", "4")
MPIRUN = ("mpirun", "prterun")
Workers = dict[str, psutil.Process]


@pytest.fixture
def tidy_desk(desk: Desk, tmp_path: Path) -> Desk:
    """What is left over lies in the test's own folder."""
    folder = tmp_path / "a place"
    folder.mkdir()
    return Desk(desk.folder, {**desk.environment, "TMPDIR": str(folder)})


def left_in(desk: Desk) -> list[Path]:
    return list(Path(desk.environment["TMPDIR"]).iterdir())


@pytest.fixture(scope="module")
def expected(desk: Desk) -> list[float]:
    return losses(desk.launch(*SPEC, "--strategy", "single", "--engine", "sockets"))


def test_replicas_and_stages_over_mpi_give_the_losses_of_one_process(tidy_desk: Desk, expected: list[float]) -> None:
    run = tidy_desk.launch(*SPEC, *HYBRID, "--engine", "mpi")
    assert losses(run) == expected
    assert left_in(tidy_desk) == []
    assert {run.log_file(node).read_text() for node in run.plan().nodes} == {""}


def processes_of(controller: int, desk: Desk) -> set[psutil.Process]:
    """Everything of a run: the controller's descendants, and who is to remove what they leave."""
    named = [
        process
        for process in psutil.process_iter(["cmdline"])
        if any(desk.environment["TMPDIR"] in word for word in process.info["cmdline"] or ())
    ]
    return {*psutil.Process(controller).children(recursive=True), *named}


def assert_mpi_is_at_work(processes: set[psutil.Process], workers: Workers) -> None:
    """One mpirun, with a stand-in for each rank; the ranks are the workers."""
    names = [process.name() for process in processes]
    assert sum(name in MPIRUN for name in names) == 1
    assert names.count("cat") == len(workers)
    for worker in workers.values():
        assert any("libmpi.so" in mapped.path for mapped in worker.memory_maps())
    told = subprocess.run(["ss", "-Hltnp"], capture_output=True, text=True, check=True)  # noqa: S607  iproute2
    for process in (workers["pi1"], *(process for process in processes if process.name() in MPIRUN)):
        own = [line.split()[3] for line in told.stdout.splitlines() if f"pid={process.pid}," in line]
        assert own
        to_all = [address for address in own if not address.startswith("127.0.0.1:")]
        assert not any(connects(int(address.rpartition(":")[2])) for address in to_all)


PAIR = """
import socket, sys, time
import numpy as np
from picluster.schema.job import Endpoint
from picluster.worker.engines import connect
from picluster.worker.engines.base import Peers

rank, port = int(sys.argv[1]), int(sys.argv[2])
endpoints = tuple(Endpoint(node=f"pi{each}", address="127.0.0.1", port=port) for each in range(2))
peers = Peers(rank, endpoints, "lo", b"", None if rank else socket.create_server(("127.0.0.1", port)))
store, engine = peers.store, connect("mpi", peers)
sizes = [3, 0, 70_000, 1, 3_000_000, 2]
if rank == 0:
    sendings = [engine.send(1, 4, np.full(size, number, np.uint8)) for number, size in enumerate(sizes)]
    time.sleep(0.2)
    taken = [sum(sending.is_taken for sending in sendings)]
    store.set("go", "1")
    store.get("first")
    time.sleep(0.2)
    taken.append(sum(sending.is_taken for sending in sendings))
    store.set("on", "1")
    for sending in sendings:
        sending.wait()
    print(taken)
else:
    store.get("go")
    messages = [engine.receive(0, 4)]
    store.set("first", "1")
    store.get("on")
    messages += [engine.receive(0, 4) for _ in sizes[1:]]
    print([(len(message), np.unique(message).tolist()) for message in messages])
engine.close()
"""


def test_messages_keep_their_order_and_wait_with_the_sender(tidy_desk: Desk) -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = str(probe.getsockname()[1])
    words = [sys.executable, "-c", PAIR]
    pair = [subprocess.Popen([*words, rank, port], env=tidy_desk.environment, stdout=subprocess.PIPE) for rank in "01"]
    told = [json.loads(each.communicate(timeout=240)[0].replace(b"(", b"[").replace(b")", b"]")) for each in pair]
    # None before it is asked for; then the one that was asked for, and the one behind it.
    assert told[0] == [0, 2]
    assert told[1] == [[3, [0]], [0, []], [70_000, [2]], [1, [3]], [3_000_000, [4]], [2, [5]]]
    assert left_in(tidy_desk) == []


def test_a_job_that_open_mpi_cannot_start_says_why(tidy_desk: Desk) -> None:
    desk = Desk(tidy_desk.folder, {**tidy_desk.environment, "PRTE_MCA_prte_if_include": "none0"})
    done = desk.picluster("launch", *SPEC, "--strategy", "single", "--engine", "mpi")
    assert done.returncode == 5
    assert "node pi1" in done.stderr
    assert "Open MPI could not be started: at least one available network" in done.stderr
    assert left_in(desk) == []


def by_ctrl_c(controller: subprocess.Popen[str], _: Workers) -> None:
    os.killpg(controller.pid, signal.SIGINT)


def by_killing_the_controller(controller: subprocess.Popen[str], _: Workers) -> None:
    controller.kill()


def by_killing_the_first_worker(_: subprocess.Popen[str], workers: Workers) -> None:
    workers["pi1"].kill()


def by_killing_another_worker(_: subprocess.Popen[str], workers: Workers) -> None:
    workers["pi3"].kill()


def by_killing_mpirun(_: subprocess.Popen[str], workers: Workers) -> None:
    (mpirun,) = [child for child in workers["pi1"].children() if child.name() in MPIRUN]
    mpirun.kill()


ENDS = {
    by_ctrl_c: (130, "was stopped"),
    by_killing_the_controller: (-signal.SIGKILL, ""),
    by_killing_the_first_worker: (5, "node pi1"),
    by_killing_another_worker: (5, "node pi3"),
    by_killing_mpirun: (5, "Open MPI has ended"),
}


@pytest.mark.parametrize("end", ENDS)
def test_nothing_of_open_mpi_stays(tidy_desk: Desk, end: Callable[[subprocess.Popen[str], Workers], None]) -> None:
    exit_code, word = ENDS[end]
    with running(tidy_desk, "--engine", "mpi") as (controller, _, workers):
        processes = processes_of(controller.pid, tidy_desk)
        assert_mpi_is_at_work(processes, workers)
        began = time.monotonic()
        end(controller, workers)
        _, errors = controller.communicate(timeout=2 * GONE_SECONDS)
        assert_gone(processes, began, within=HEARD_SECONDS if exit_code != 5 else GONE_SECONDS)
    assert controller.returncode == exit_code, errors
    assert word in errors
    assert "Traceback" not in errors
    if "killing" in end.__name__ and "worker" in end.__name__:
        assert "SIGKILL" in errors
    assert left_in(tidy_desk) == []
