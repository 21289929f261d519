"""Ray's own processes on one machine: a raylet, and with the first worker the server of the cluster's state.

`ray start` would add a dashboard, monitors and agents, all in Python: 410 MB where these two take 60. So they are
started as `ray start` does it, without the rest. They die with the worker, however it ends.
"""

from __future__ import annotations

import base64
import json
import multiprocessing.connection
import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import ray
from ray._common.usage.usage_lib import put_cluster_metadata
from ray._private import ray_constants, services
from ray._raylet import GcsClient  # type: ignore[attr-defined]

from picluster.errors import RunFailed
from picluster.worker.engines.base import CONNECT_TIMEOUT
from picluster.worker.engines.process import EngineProcess

STORE_BYTES = 128 << 20
"""Shared memory for messages on their way, taken as they come; more than that goes to a file."""
_LEAVE_SECONDS = 2.0
_LOOK_SECONDS = 0.02
_SESSION = "picluster"
# Settings of the whole cluster: raylets and actors ask the server for them.
_SETTINGS = {
    "automatic_object_spilling_enabled": False,  # it would take two more Python processes
    "debug_dump_period_milliseconds": 0,
    "emit_event_to_log_file": False,
    "enable_metrics_collection": False,
    "enable_worker_prestart": False,
    "event_stats": False,
    "gcs_server_rpc_client_thread_num": 1,
    "gcs_server_rpc_server_thread_num": 1,
    "health_check_timeout_ms": 60_000,  # a small node under load answers late; who is dead the controller finds out
    "memory_monitor_refresh_ms": 0,
    "prestart_worker_first_driver": False,
    "task_events_report_interval_ms": 0,
}
# The raylet insists on two agents, for metrics and for environments of tasks, and ends with them. These wait for the
# end of the raylet, which holds the other end of their standard input. What it adds to the words means nothing to them.
_AGENT = 'sh -c "exec cat" agent'
_FIX = "picluster doctor; or another --engine"


@dataclass(frozen=True)
class RayCluster:
    """A cluster, by the server of its state."""

    address: str
    """IP address of the server's machine."""
    port: int
    identity: str
    """Random; whoever knows another one is refused."""


class RayNode:
    """The processes that one worker starts for all workers of its machine."""

    def __init__(self, address: str, cluster: RayCluster | None, ranks: list[int]) -> None:
        """Start them for the workers `ranks`, with a server where there is no cluster; RunFailed where that fails."""
        self._address = address
        self._identity = secrets.token_hex(28)
        self._folder = Path(tempfile.mkdtemp(prefix="picluster-ray-"))
        self._session = self._folder / _SESSION
        for name in ("logs", "sockets", "resources"):
            (self._session / name).mkdir(parents=True)
        self._processes: dict[str, EngineProcess] = {}
        self.cluster = cluster or self._start_server()
        """The cluster that it belongs to."""
        self._start_raylet(ranks, is_head=cluster is None)

    def close(self) -> None:
        """End the processes, the server last."""
        ended, self._processes = self._processes, {}
        for process in reversed(ended.values()):
            process.terminate()
            process.end(_LEAVE_SECONDS)
        self.clear()

    def clear(self) -> None:
        """Remove the folder. When all are connected nobody looks anything up in it: a killed worker leaves nothing."""
        shutil.rmtree(self._folder, ignore_errors=True)

    def look(self) -> None:
        """Raise RunFailed if a process has ended, and was not to."""
        for name, process in self._processes.items():
            if (code := process.exit_code) is not None:
                lines = [line for line in process.log_text().splitlines() if line.strip()]
                errors = [line for line in lines if " E " in line or " C " in line]
                reason = (errors or lines or [f"exit code {code}"])[-1]
                why = signal.Signals(-code).name if code < 0 else reason
                raise RunFailed(f"Ray's {name} ended: {why}", fix=_FIX)

    def watch(self, fail: Callable[[BaseException], None]) -> None:
        """Call `fail` from a thread of its own when a process has ended: Ray does not tell of it.

        Ray ends a worker that misses its raylet at the next message, without a word: most times this is quicker. One
        that misses the server of the cluster's state is so ended after a minute.
        """
        handles = [os.pidfd_open(process.number) for process in self._processes.values()]

        def wait() -> None:
            multiprocessing.connection.wait(handles)
            for handle in handles:
                os.close(handle)
            try:
                self.look()
            except RunFailed as error:
                fail(error)

        threading.Thread(target=wait, name="ray", daemon=True).start()

    def _start_server(self) -> RayCluster:
        self._start(
            "gcs_server",
            services.GCS_SERVER_EXECUTABLE,
            config_list=base64.b64encode(json.dumps(_SETTINGS).encode()).decode(),
            gcs_server_port=0,
        )
        file = self._session / f"gcs_server_port_{self._identity}"
        self._wait_for(file, "gcs_server")
        port = int(file.read_text())
        client = GcsClient(address=f"{self._address}:{port}")
        # What drivers and raylets ask for when they come.
        client.internal_kv_put(b"session_name", _SESSION.encode(), True, ray_constants.KV_NAMESPACE_SESSION)  # noqa: FBT003  it knows places only
        put_cluster_metadata(client, ray_init_cluster=False)
        return RayCluster(self._address, port, client.cluster_id.hex())

    def _start_raylet(self, ranks: list[int], *, is_head: bool) -> None:
        sockets = self._session / "sockets"
        memory = Path("/dev/shm")  # noqa: S108  Ray makes files there that nobody else can open
        roomy = memory.is_dir() and shutil.disk_usage(memory).free > STORE_BYTES
        resources = ["CPU,1", f"object_store_memory,{STORE_BYTES}", *(f"{resource_of(rank)},1" for rank in ranks)]
        self._start(
            "raylet",
            services.RAYLET_EXECUTABLE,
            gcs_address=f"{self.cluster.address}:{self.cluster.port}",
            cluster_id=self.cluster.identity,
            raylet_socket_name=sockets / "raylet",
            store_socket_name=sockets / "store",
            temp_dir=self._folder,
            resource_dir=self._session / "resources",
            static_resource_list=",".join(resources),
            object_store_memory=STORE_BYTES,
            plasma_directory=memory if roomy else tempfile.gettempdir(),
            fallback_directory=tempfile.gettempdir(),
            maximum_startup_concurrency=len(ranks),
            python_worker_command=subprocess.list2cmdline(self._actor_command(sockets)),
            dashboard_agent_command=_AGENT,
            runtime_env_agent_command=_AGENT,
            head=str(is_head).lower(),
            # The first free one; of the agents: none.
            object_manager_port=0,
            node_manager_port=0,
            metrics_export_port=-1,
            dashboard_agent_listen_port=-1,
            runtime_env_agent_port=-1,
        )
        self._wait_for(sockets / "raylet", "raylet")

    def _actor_command(self, sockets: Path) -> list[str]:
        workers = Path(ray.__file__).parent / "_private" / "workers"
        options = {
            "node-ip-address": self._address,
            "node-manager-port": "RAY_NODE_MANAGER_PORT_PLACEHOLDER",
            "object-store-name": sockets / "store",
            "raylet-name": sockets / "raylet",
            "redis-address": None,
            "metrics-agent-port": -1,
            "runtime-env-agent-port": 0,
            "gcs-address": f"{self.cluster.address}:{self.cluster.port}",
            "session-name": _SESSION,
            "webui": "",
            "temp-dir": self._folder,
            "cluster-id": self.cluster.identity,
        }
        words = [f"--{name}={value}" for name, value in options.items()]
        scripts = [str(workers / "setup_worker.py"), str(workers / "default_worker.py")]
        return [sys.executable, *scripts, *words, "RAY_WORKER_DYNAMIC_OPTION_PLACEHOLDER"]

    def _start(self, name: str, program: str, **options: object) -> None:
        common = {
            "node_id": self._identity,
            "node_ip_address": self._address,
            "session_name": _SESSION,
            "session_dir": self._session,
            "log_dir": self._session / "logs",
            "metrics_agent_port": -1,
        }
        words = [f"--{option}={value}" for option, value in {**common, **options}.items()]
        # What suits a trainer's allocator makes these keep memory that they do not need.
        environment = {name: value for name, value in os.environ.items() if not name.startswith("MALLOC_")}
        self._processes[name] = EngineProcess([program, *words], self._session / "logs" / name, environment)

    def _wait_for(self, file: Path, name: str) -> None:
        """Return when that process has made its file."""
        deadline = time.monotonic() + CONNECT_TIMEOUT.total_seconds()
        while not file.exists():
            self.look()
            if time.monotonic() > deadline:
                raise RunFailed(f"Ray's {name} was not ready within {CONNECT_TIMEOUT}", fix=_FIX)
            time.sleep(_LOOK_SECONDS)


def resource_of(rank: int) -> str:
    """Name the resource that pins a worker's actor to its machine."""
    return f"picluster-rank-{rank}"
