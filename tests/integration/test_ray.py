"""The ray engine: the same training, and nothing of Ray's that outlives it or lets strangers in."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil
import pytest

from picluster.controller.run_folder import RunFolder
from tests.integration.desk import RUN_TIMEOUT_SECONDS, Desk, losses, make_desk
from tests.integration.test_ends import assert_gone, report_of, running

pytest.importorskip("ray")

SPEC = ("--dataset", "reddit-like", "--scale", "0.001", "--epochs", "3", "--micro-batches", "3", "--seed", "7")
PLANS = {
    "single": ("--strategy", "single"),
    "data-parallel": ("--strategy", "data-parallel", "--nodes", "3"),
    "layer-split": ("--layers-per-node", "1", "--nodes", "4"),
}
STRANGER = """
import sys
from ray._raylet import GcsClient
try:
    GcsClient(address=sys.argv[1])
except Exception as error:
    print(type(error).__name__)
else:
    print("let in")
"""


@pytest.fixture(scope="module")
def shared_desk(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    return make_desk(tmp_path_factory.mktemp("ray"))


@pytest.fixture(scope="module")
def runs(shared_desk: Desk) -> dict[str, RunFolder]:
    """One for each plan, all at once: what one has started the others do not meet."""
    controllers = [shared_desk.start("launch", *SPEC, *words, "--engine", "ray") for words in PLANS.values()]
    ended = [controller.communicate(timeout=RUN_TIMEOUT_SECONDS) for controller in controllers]
    assert [controller.returncode for controller in controllers] == [0] * len(PLANS), ended
    found = [RunFolder(shared_desk.folder / "runs" / name) for name in shared_desk.runs()]
    return {run.plan().strategy: run for run in found}


@pytest.fixture(scope="module")
def reference(shared_desk: Desk, runs: dict[str, RunFolder]) -> RunFolder:
    del runs  # it takes stock of the folder
    return shared_desk.launch(*SPEC, "--strategy", "single", "--engine", "gloo")


@pytest.mark.parametrize("plan", PLANS)
def test_every_plan_learns_bit_for_bit_what_it_learns_over_gloo(
    runs: dict[str, RunFolder], reference: RunFolder, plan: str
) -> None:
    result, expected = runs[plan].result(), reference.result()
    assert runs[plan].plan().engine == "ray"
    assert losses(runs[plan]) == losses(reference) != []
    assert result is not None
    assert expected is not None
    assert result.test_accuracy == expected.test_accuracy


def test_rays_memory_is_told_of_the_worker_that_started_it(shared_desk: Desk, runs: dict[str, RunFolder]) -> None:
    nodes = report_of(shared_desk, runs["layer-split"])["nodes"]
    assert isinstance(nodes, list)
    first, *others = [node["memory"]["peak_engine_bytes"] for node in nodes]
    assert first > 100_000_000, "a raylet, a server and an actor for each of four workers"
    assert others == [None] * 3


def test_ray_writes_nothing_into_the_logs(runs: dict[str, RunFolder]) -> None:
    assert {run.log_file(node).read_text() for run in runs.values() for node in run.plan().nodes} == {""}


def descendants(controller: subprocess.Popen[str]) -> list[psutil.Process]:
    return psutil.Process(controller.pid).children(recursive=True)


def test_a_killed_worker_is_named_and_nothing_of_ray_is_left(desk: Desk) -> None:
    before = folders()
    with running(desk, "--engine", "ray") as (controller, run, workers):
        node = run.plan().stages[0].nodes[0]
        processes, began = descendants(controller), time.monotonic()
        assert {"gcs_server", "raylet"} <= {process.name() for process in processes}
        workers[node].kill()
        _, errors = controller.communicate(timeout=15)
        assert_gone(processes, began)
    assert controller.returncode == 5
    assert f"node {node} (layer 1) failed" in errors
    assert "SIGKILL" in errors
    assert folders() == before


def test_nothing_of_ray_outlives_a_controller_that_is_killed(desk: Desk) -> None:
    before = folders()
    with running(desk, "--engine", "ray") as (controller, _, _workers):
        processes, began = descendants(controller), time.monotonic()
        controller.kill()
        assert_gone(processes, began)
    assert folders() == before


def folders() -> set[str]:
    return {path.name for path in Path(tempfile.gettempdir()).glob("picluster-ray-*")}


def test_a_stranger_is_refused_and_only_the_data_planes_address_listens(desk: Desk) -> None:
    with running(desk, "--engine", "ray") as (controller, _, _workers):
        listening = {each.name(): addresses_of(each) for each in descendants(controller)}
        assert {ip for addresses in listening.values() for ip, _ in addresses} == {"127.0.0.1"}
        ((ip, port),) = listening["gcs_server"]
        answers = [ask(f"{ip}:{port}", token) for token in ("", "f" * 64)]
    assert answers == ["AuthenticationError"] * 2


def addresses_of(process: psutil.Process) -> set[tuple[str, int]]:
    listening = [each.laddr for each in process.net_connections("tcp") if each.status == psutil.CONN_LISTEN]
    return {(address.ip.removeprefix("::ffff:"), address.port) for address in listening}


def ask(server: str, token: str) -> str:
    settings = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": token} if token else {}
    words = [sys.executable, "-c", STRANGER, server]
    asked = subprocess.run(
        words, env={**os.environ, **settings}, capture_output=True, text=True, check=True, timeout=60
    )
    return asked.stdout.strip()
