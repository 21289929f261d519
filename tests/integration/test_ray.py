"""The ray engine: the same training, and nothing of Ray's that outlives it or lets strangers in."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from picluster.controller.record.run_folder import RunFolder
from tests.integration.desk import RUN_TIMEOUT_SECONDS, Desk, losses, make_desk
from tests.integration.test_ends import assert_gone, report_of, running

pytest.importorskip("ray")

pytestmark = pytest.mark.slow

SPEC = ("--dataset", "reddit-like", "--scale", "0.001", "--epochs", "3", "--micro-batches", "3", "--seed", "7")
PLANS = {
    "data-parallel": ("--strategy", "data-parallel", "--nodes", "3"),
    "layer-split": ("--layers-per-node", "1", "--nodes", "4"),
}
PAIR = ("--engine", "ray", "--nodes", "2", "--layers-per-node", "2")
STRANGE = "f" * 64
SERVICES = {
    "ray.rpc.InternalKVGcsService/InternalKVGet": "gcs_server",
    "ray.rpc.NodeManagerService/GetNodeStats": "raylet",
    "ray.rpc.ObjectManagerService/Push": "raylet",
    "ray.rpc.CoreWorkerService/PushTask": "ray::PostOffice",
}
"""By whom it is offered."""
UNAUTHENTICATED, UNIMPLEMENTED = "16", "12"
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
    return shared_desk.launch(*SPEC, "--strategy", "single", "--engine", "sockets")


@pytest.mark.parametrize("plan", PLANS)
def test_every_plan_learns_bit_for_bit_what_it_learns_over_sockets(
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
    with running(desk, "--engine", "ray", "--nodes", "3") as (controller, run, workers):
        node = run.plan().stages[0].nodes[0]
        processes, began = descendants(controller), time.monotonic()
        assert {"gcs_server", "raylet"} <= {process.name() for process in processes}
        workers[node].kill()
        _, errors = controller.communicate(timeout=240)
        assert_gone(processes, began)
    assert controller.returncode == 5
    assert f"node {node} (stage 1, layer 1) failed" in errors
    assert "SIGKILL" in errors
    assert folders() == before


def test_a_killed_server_of_ray_is_named_at_once(desk: Desk) -> None:
    """Ray itself would wait for it for a minute, and then end the worker without a word."""
    with running(desk, *PAIR) as (controller, run, _workers):
        (server,) = [each for each in descendants(controller) if each.name() == "gcs_server"]
        server.kill()
        _, errors = controller.communicate(timeout=40)
    assert controller.returncode == 5
    assert f"node {run.plan().nodes[0]} (sampler) failed: Ray's gcs_server ended: SIGKILL" in errors


def test_nothing_of_ray_outlives_a_controller_that_is_killed(desk: Desk) -> None:
    before = folders()
    with running(desk, *PAIR) as (controller, _, _workers):
        processes, began = descendants(controller), time.monotonic()
        controller.kill()
        assert_gone(processes, began)
    assert folders() == before


def folders() -> set[str]:
    return {path.name for path in Path(tempfile.gettempdir()).glob("picluster-ray-*")}


@pytest.fixture(scope="module")
def at_work(desk: Desk) -> Iterator[list[psutil.Process]]:
    """All processes of a run that goes on."""
    with running(desk, *PAIR) as (controller, _, _workers):
        yield descendants(controller)


def test_a_stranger_is_refused_and_on_loopback_nothing_else_listens(at_work: list[psutil.Process]) -> None:
    listening = {each.name(): addresses_of(each) for each in at_work}
    assert {ip for addresses in listening.values() for ip, _ in addresses} == {"127.0.0.1"}
    ((ip, port),) = listening["gcs_server"]
    assert [ask(f"{ip}:{port}", token) for token in ("", STRANGE)] == ["AuthenticationError"] * 2


@pytest.mark.skipif(not shutil.which("curl"), reason="this test asks with curl")
def test_every_port_of_ray_refuses_a_stranger(at_work: list[psutil.Process]) -> None:
    asked = {
        (service, port): {call(port, service, words) for words in ([], ["-H", f"authorization: Bearer {STRANGE}"])}
        for process in at_work
        for service in services_of(process)
        for _, port in addresses_of(process)
    }
    assert {service for (service, _), told in asked.items() if told == {UNAUTHENTICATED}} == set(SERVICES)
    # A raylet's two ports have one service each.
    assert set().union(*asked.values()) <= {UNAUTHENTICATED, UNIMPLEMENTED}


def services_of(process: psutil.Process) -> list[str]:
    return [service for service, owner in SERVICES.items() if process.name().startswith(owner)]


def call(port: int, service: str, words: list[str]) -> str:
    """The status that gRPC tells of an empty call."""
    frame = "content-type: application/grpc"
    url = f"http://127.0.0.1:{port}/{service}"
    sent = ["--data-binary", "@-", "-H", frame, "-H", "te: trailers", *words]
    told = subprocess.run(
        ["curl", "-s", "-m", "10", "--http2-prior-knowledge", "-D", "-", "-o", "/dev/null", *sent, url],  # noqa: S607
        input=bytes(5),
        capture_output=True,
        check=False,  # what is refused before it has been read is an error to curl
    )
    statuses = [line.split()[1] for line in told.stdout.decode().splitlines() if line.startswith("grpc-status:")]
    return statuses[0] if statuses else UNIMPLEMENTED


def addresses_of(process: psutil.Process) -> set[tuple[str, int]]:
    listening = [each.laddr for each in process.net_connections("tcp") if each.status == psutil.CONN_LISTEN]
    return {(address.ip.removeprefix("::ffff:"), address.port) for address in listening}


def ask(server: str, token: str) -> str:
    settings = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": token} if token else {}
    words = [sys.executable, "-c", STRANGER, server]
    asked = subprocess.run(
        words, env={**os.environ, **settings}, capture_output=True, text=True, check=True, timeout=240
    )
    return asked.stdout.strip()
