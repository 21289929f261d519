"""Engines on virtual Pis: real processes of Open MPI and Ray, the same losses, and nothing left however a run ends."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import msgspec
import pytest

from picluster.controller.record.run_folder import RunFolder
from picluster.schema.comparison import Comparison
from tests.integration.desk import losses
from tests.lab.running import RunningLab, eventually
from tests.lab.shelf import Shelf, make_shelf

pytest.importorskip("mpi4py", reason="these tests need Open MPI: make setup EXTRAS=ray,mpi")
pytest.importorskip("ray", reason="these tests need Ray: make setup EXTRAS=ray,mpi")
pytestmark = pytest.mark.lab

SPEC = "--dataset reddit-like --scale 0.003 --batch-size 64 --micro-batches 4 --epochs 2"
ROWS = {
    "single": "--strategy single",
    "data-parallel sockets": "--strategy data-parallel",
    "data-parallel mpi": "--strategy data-parallel --engine mpi",
    "layer-split ray": "--layers-per-node 1 --engine ray",
    "layer-split rpc": "--layers-per-node 1 --engine rpc",
    "layer-split gloo": "--layers-per-node 1 --engine gloo",
    "layer-split sockets": "--layers-per-node 1",
}
OWN_PROCESSES = {"data-parallel mpi", "layer-split ray"}
"""Rows whose engine has some."""
FIRST, OTHERS = "pi1", ("pi2", "pi3", "pi4")
GIB = 1 << 30
LOOK_SECONDS = 1.0
GONE_SECONDS = 5.0
LEFT = "ls -A /tmp /dev/shm /var/tmp; ss -Hltn | awk '{print $4}'; ps -u pi -o comm= || true"
OF_A_LOGIN = {"systemd", "(sd-pam)", "dbus-daemon", "sshd"}
"""What user pi runs for a while after the last connection."""


@pytest.fixture(scope="module")
def shelf(lab: RunningLab, tmp_path_factory: pytest.TempPathFactory) -> Shelf:
    return make_shelf(tmp_path_factory.mktemp("desk"), lab)


def left_on(lab: RunningLab) -> dict[str, set[str]]:
    """Files, listening sockets and processes, apart from those of a login."""
    return {node: set(lab.in_node(node, LEFT).stdout.split("\n")) - OF_A_LOGIN for node in lab.addresses}


@pytest.fixture(scope="module")
def clean(shelf: Shelf) -> dict[str, set[str]]:
    """The nodes before all runs of this module."""
    return left_on(shelf.lab)


def names_of_processes(lab: RunningLab, node: str) -> set[str]:
    """`mpirun` starts as that and then becomes `prterun`."""
    return set(lab.in_node(node, "ps -eo comm= | sed s/prterun/mpirun/").stdout.split("\n"))


@contextmanager
def watched(lab: RunningLab) -> Iterator[dict[str, set[str]]]:
    """The names of all processes that each node has meanwhile."""
    seen: dict[str, set[str]] = {node: set() for node in lab.addresses}
    ended = threading.Event()

    def watch() -> None:
        while not ended.wait(LOOK_SECONDS):
            for node in seen:
                seen[node] |= names_of_processes(lab, node)

    with ThreadPoolExecutor(1) as executor:
        watching = executor.submit(watch)
        try:
            yield seen
        finally:
            ended.set()
            watching.result()


@dataclass(frozen=True)
class Table:
    """One graph and one spec, trained in several ways by one command."""

    comparison: Comparison
    runs: dict[str, RunFolder]
    reports: dict[str, list[dict[str, Any]]]
    """What is told of each node."""
    processes: dict[str, set[str]]
    """That each node had at some time."""


@pytest.fixture(scope="module")
def table(shelf: Shelf, clean: dict[str, set[str]]) -> Table:
    del clean  # it looks first
    (shelf.desk.folder / "rows.txt").write_text("\n".join(ROWS.values()))
    with watched(shelf.lab) as processes:
        told = shelf.desk.picluster("compare", "--rows", "rows.txt", "--with", SPEC, "--json")
    assert told.returncode == 0, told.stderr
    comparison = msgspec.json.decode(told.stdout, type=Comparison)
    names = [run.run for row in comparison.rows for run in row.runs]
    runs = {row: RunFolder(shelf.desk.folder / "runs" / str(name)) for row, name in zip(ROWS, names, strict=True)}
    return Table(comparison, runs, {row: shelf.report(run)["nodes"] for row, run in runs.items()}, processes)


def test_every_engine_and_strategy_learns_the_same_bit_for_bit(table: Table) -> None:
    found = {row: losses(run) for row, run in table.runs.items()}
    assert len(found["single"]) > 10
    assert found == dict.fromkeys(ROWS, found["single"])
    accuracies = {run.result().test_accuracy for run in table.runs.values()}  # type: ignore[union-attr]
    assert len(accuracies) == 1
    assert table.comparison.same_bits == (tuple(range(1, len(ROWS) + 1)),)


@pytest.mark.parametrize("row", ROWS)
def test_memory_bytes_and_step_times_of_every_node_are_told(table: Table, row: str) -> None:
    nodes = table.reports[row]
    assert [node["name"] for node in nodes] == [FIRST] if row == "single" else [FIRST, *OTHERS]
    for node in nodes:
        memory = node["memory"]
        assert memory["limit_bytes"] == GIB
        least = 15 << 20 if node["role"] == "sampler" else 50 << 20  # which does without torch
        assert least < memory["peak_anonymous_bytes"] + (memory["peak_engine_bytes"] or 0) < GIB
        assert bool(memory["peak_engine_bytes"]) == (row in OWN_PROCESSES)
        assert node["step_ms"]["p50"] > 0
    if row == "layer-split ray":
        assert min(node["memory"]["peak_engine_bytes"] for node in nodes) > 40 << 20


@pytest.mark.parametrize("row", [row for row in ROWS if row != "single"])
def test_the_bytes_on_the_wire_are_the_tensors_and_little_more_whoever_carries_them(table: Table, row: str) -> None:
    nodes = table.reports[row]
    sent, payload, received = (
        sum(node[f"{name}_bytes_per_step"] for node in nodes) for name in ("sent", "sent_payload", "received")
    )
    # What the last step sends may still lie in a socket when the step has ended.
    assert 0.97 * payload < sent < 1.1 * payload
    assert received == pytest.approx(sent, rel=0.05)


def test_they_were_carried_by_real_processes_of_open_mpi_and_ray(table: Table) -> None:
    assert {"mpirun", "raylet", "gcs_server", "ray::PostOffice"} <= table.processes[FIRST]
    for node in OTHERS:
        assert {"prted", "raylet", "ray::PostOffice"} <= table.processes[node]
        assert not {"mpirun", "gcs_server"} & table.processes[node]


def by_picluster_stop(shelf: Shelf, _: subprocess.Popen[str], run: RunFolder) -> None:
    assert shelf.desk.picluster("stop", run.name).returncode == 0


def by_ctrl_c(_: Shelf, controller: subprocess.Popen[str], __: RunFolder) -> None:
    os.killpg(controller.pid, signal.SIGINT)


def by_killing_the_controller(_: Shelf, controller: subprocess.Popen[str], __: RunFolder) -> None:
    controller.kill()


ENDS = {by_picluster_stop: 130, by_ctrl_c: 130, by_killing_the_controller: -signal.SIGKILL}


@pytest.mark.quiet
@pytest.mark.parametrize(
    "end",
    [
        by_killing_the_controller,
        *(pytest.param(end, marks=pytest.mark.thorough) for end in (by_picluster_stop, by_ctrl_c)),
    ],
)
def test_nothing_of_open_mpi_or_ray_stays_on_any_node(
    shelf: Shelf, clean: dict[str, set[str]], end: Callable[[Shelf, subprocess.Popen[str], RunFolder], None]
) -> None:
    over_mpi = shelf.training("--nodes", "pi1,pi2", "--layers-per-node", "2", "--engine", "mpi")
    over_ray = shelf.training("--nodes", "pi3,pi4", "--layers-per-node", "2", "--engine", "ray")
    with over_mpi as first, over_ray as second:
        started = {node: names_of_processes(shelf.lab, node) for node in shelf.lab.addresses}
        assert ("mpirun" in started["pi1"], "prted" in started["pi2"]) == (True, True)
        assert all({"raylet", "ray::PostOffice"} <= started[node] for node in ("pi3", "pi4"))
        for controller, run in (first, second):
            end(shelf, controller, run)
        eventually(lambda: left_on(shelf.lab) == clean, within_seconds=GONE_SECONDS)
        for controller, _ in (first, second):
            assert controller.wait(GONE_SECONDS) == ENDS[end]
