"""Starts a plan's workers, leads them through one run, and leaves none behind."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from picluster.controller.checkpoints import CheckpointCollector
from picluster.controller.diagnosis import Witness, diagnose
from picluster.controller.leader import this_controller
from picluster.controller.transport import Exit, Parcel, Places
from picluster.errors import PiclusterError, Stopped
from picluster.schema.events import (
    AnyEvent,
    CheckpointWritten,
    Ended,
    Failed,
    Logged,
    Predicted,
    Ready,
    Status,
    Tested,
    WorkerEvent,
)
from picluster.schema.job import HEARTBEAT_SECONDS, Claim, Job, Start
from picluster.schema.record import to_json
from picluster.schema.run import Failure, Result

if TYPE_CHECKING:
    from picluster.controller.run_folder import RunFolder
    from picluster.controller.transport import Transport, WorkerProcess
    from picluster.schema.plan import Plan
    from picluster.schema.spec import Spec

SILENCE_SECONDS = 60.0
"""A worker reads its memory twice a second; one that says nothing for so long is given up."""
WORD_SECONDS = 1.5
"""After the echo of a failure: how long its cause may take to arrive."""
HANG_UP_SECONDS = 2.0
"""How long workers have to end by themselves before they are killed."""
FLUSH_SECONDS = 5.0
"""How long the last lines of a worker that has ended may take."""
_TICK_SECONDS = 0.25
_ENVIRONMENT = {
    # It warns that peers' addresses have no names, which on a shelf of Pis is as it should be.
    "TORCH_CPP_LOG_LEVEL": "ERROR",
    # glibc would return every large block to the kernel and fault its pages in again at the next step: up to a third
    # of the time, for no lower peak.
    "MALLOC_MMAP_THRESHOLD_": str(256 << 20),
    "MALLOC_TRIM_THRESHOLD_": str(512 << 20),
}


@dataclass(frozen=True)
class Prediction:
    """From trained weights to class probabilities."""

    weights: Path
    """An exported model."""
    probabilities: Path
    """Where the npy array (N, classes) in fp32 shall lie."""


@dataclass(frozen=True, kw_only=True)
class Launch:
    """One run to be made."""

    spec: Spec
    plan: Plan
    model_file: Path
    graph_folder: Path
    transports: Mapping[str, Transport]
    threads: int
    grace_seconds: float
    folder: RunFolder
    prediction: Prediction | None = None
    """Predict all nodes instead of training."""


class Launcher:
    """Leads the workers of one run. One thread decides; readers only put what they hear into its queue."""

    def __init__(self, launch: Launch, watch: Callable[[str, AnyEvent], None]) -> None:
        """`watch` sees every event, with its node's name."""
        self._launch, self._watch = launch, watch
        self._folder, self._plan = launch.folder, launch.plan
        self._workers: dict[str, WorkerProcess] = {}
        self._heard: queue.Queue[tuple[str, AnyEvent]] = queue.Queue()
        self._witnesses = {node: Witness() for node in self._plan.nodes}
        self._last_word = dict.fromkeys(self._plan.nodes, time.monotonic())
        self._ready: dict[str, Ready] = {}
        self._checkpoints = CheckpointCollector(launch.folder, len(launch.plan.stages))
        self._test_accuracy: float | None = None
        self._readers: list[threading.Thread] = []
        self._over = threading.Event()
        self._lock = threading.Lock()

    def run(self) -> Result:
        """Make the run; whatever happens, the folder gets a result and no worker stays.

        Raises:
            Stopped: somebody asked to end (SIGINT, SIGTERM, SIGHUP); the result is written before.
        """
        failure: Failure | None = None
        try:
            self._start_workers()
            failure = self._lead()
        except (KeyboardInterrupt, Stopped) as error:
            self._stop_workers()
            self._end("stopped", None)
            raise Stopped(f"run {self._folder.name} was stopped") from error
        except BaseException as error:
            self._stop_workers()
            self._end("failed", Failure(node=None, layers=(), cause=_one_line(error), fix="", log=None))
            raise
        self._stop_workers()
        return self._end("failed" if failure else "finished", failure)

    def _start_workers(self) -> None:
        """All at once, each in a thread of its own: one that takes long must not hold up the others."""
        for node in self._plan.nodes:
            self._folder.node_folder(node)
            threading.Thread(target=self._bring_up, args=(node,), name=f"start {node}", daemon=True).start()
        threading.Thread(target=self._beat, name="heartbeat", daemon=True).start()

    def _bring_up(self, node: str) -> None:
        """Start a node's worker, give it its claim, then its data, then its job."""
        parcel, transport = self._parcel(node), self._launch.transports[node]
        try:
            worker = transport.start(parcel, {"OMP_NUM_THREADS": str(self._launch.threads), **_ENVIRONMENT})
            worker.tell(to_json(self._claim(node)) + b"\n")
            if not self._take_in(node, worker):
                return
            places = transport.deliver(parcel)
            worker.tell(to_json(self._job(node, places)) + b"\n")
        except PiclusterError as error:
            self._heard.put((node, Failed(cause=error.what, fix=error.fix, expected=True)))
        except BaseException as error:  # noqa: BLE001  the thread that decides must hear of it
            self._heard.put((node, Failed(cause=_one_line(error), expected=False)))

    def _take_in(self, node: str, worker: WorkerProcess) -> bool:
        """Listen to a new worker and keep it alive; end it where the run is over already."""
        with self._lock:
            if self._over.is_set():
                worker.hang_up()
                return False
            self._workers[node] = worker
        self._read(self._read_events, node, worker)
        self._read(self._read_log, node, worker)
        return True

    def _parcel(self, node: str) -> Parcel:
        launch, prediction = self._launch, self._launch.prediction
        return Parcel(
            run=self._folder.name,
            node=node,
            model_file=launch.model_file,
            graph_folder=launch.graph_folder,
            arrays=self._plan.arrays_of(node),
            output_folder=self._folder.node_folder(node),
            weights_file=prediction.weights if prediction else None,
        )

    def _claim(self, node: str) -> Claim:
        return Claim(
            run=self._folder.name,
            node=node,
            controller=this_controller(),
            is_exclusive=self._launch.transports[node].is_machine,
            grace_seconds=self._launch.grace_seconds,
        )

    def _job(self, node: str, places: Places) -> Job:
        transport = self._launch.transports[node]
        return Job(
            node=node,
            spec=self._launch.spec,
            plan=self._plan,
            model_file=places.model_file,
            graph_folder=places.graph_folder,
            output_folder=places.output_folder,
            address=transport.address,
            interface=transport.interface,
            threads=self._launch.threads,
            weights_file=places.weights_file,
        )

    def _read(self, work: Callable[..., None], *what: object) -> None:
        thread = threading.Thread(target=work, args=what, daemon=True)
        thread.start()
        self._readers.append(thread)

    def _read_events(self, node: str, worker: WorkerProcess) -> None:
        """Until the worker closes its output; then see how it ended."""
        for line in worker.output:
            try:
                event: AnyEvent = msgspec.json.decode(line, type=WorkerEvent)
            except msgspec.DecodeError:
                cause = f"its standard output is not an event: {line[:80]!r}"
                event = Failed(cause=cause, fix="a model file must not print", expected=True)
            self._heard.put((node, event))
        ended = worker.wait(FLUSH_SECONDS) or Exit(None, None)
        starved = ended.signal == "SIGKILL" and self._launch.transports[node].ran_out_of_memory()
        self._heard.put((node, Ended(exit_code=ended.code, signal=ended.signal, out_of_memory=starved)))

    def _read_log(self, node: str, worker: WorkerProcess) -> None:
        with self._folder.log_file(node).open("ab", buffering=0) as log:
            for line in worker.log:
                with suppress(OSError):  # the worker must not stall for a full disk: the events' file tells of it
                    log.write(line)
                self._heard.put((node, Logged(line=line.decode(errors="replace").rstrip())))

    def _beat(self) -> None:
        while not self._over.wait(HEARTBEAT_SECONDS):
            for worker in self._started():
                worker.tell(b"\n")

    def _lead(self) -> Failure | None:
        """Handle events until all workers are done (None) or one has failed."""
        while not all(witness.ended for witness in self._witnesses.values()):
            self._hear(_TICK_SECONDS)
            self._look_for_silence()
            if any(witness.is_failing for witness in self._witnesses.values()):
                return self._find_cause()
        return None

    def _hear(self, timeout_seconds: float) -> None:
        """Take one event, if one comes in time."""
        try:
            node, event = self._heard.get(timeout=timeout_seconds)
        except queue.Empty:
            return
        self._last_word[node] = time.monotonic()
        if isinstance(event, Logged):
            self._watch(node, event)
            return
        self._witnesses[node].hear(event, 1 + sum(witness.is_failing for witness in self._witnesses.values()))
        self._folder.record(node, event)
        if isinstance(event, Ready):
            self._welcome(node, event)
        elif isinstance(event, Tested):
            self._test_accuracy = event.test_accuracy
        elif isinstance(event, CheckpointWritten):
            self._checkpoints.fetch(self._launch.transports[node], event)
        elif isinstance(event, Predicted) and self._launch.prediction:
            self._launch.transports[node].fetch(event.path, self._launch.prediction.probabilities)
        self._watch(node, event)

    def _welcome(self, node: str, ready: Ready) -> None:
        """Give the start when everybody is ready."""
        self._ready[node] = ready
        if len(self._ready) < len(self._plan.nodes):
            return
        first = self._plan.nodes[0]
        port = self._ready[first].rendezvous_port
        assert port is not None
        start = Start(rendezvous_address=self._launch.transports[first].address, rendezvous_port=port)
        for worker in self._started():
            worker.tell(to_json(start) + b"\n")

    def _started(self) -> list[WorkerProcess]:
        with self._lock:
            return list(self._workers.values())

    def _look_for_silence(self) -> None:
        now = time.monotonic()
        for node, witness in self._witnesses.items():
            # Imports hold the interpreter for long on a slow Pi: only a worker that is ready must keep talking.
            if node in self._ready and not witness.ended and now - self._last_word[node] > SILENCE_SECONDS:
                witness.silent_seconds = now - self._last_word[node]

    def _find_cause(self) -> Failure | None:
        """Where only echoes were heard so far, wait a little for the cause."""
        deadline = time.monotonic() + WORD_SECONDS
        while time.monotonic() < deadline and not any(witness.is_cause for witness in self._witnesses.values()):
            self._hear(_TICK_SECONDS)
        logs = {node: str(self._folder.log_file(node).relative_to(self._folder.path)) for node in self._plan.nodes}
        return diagnose(self._witnesses, self._plan, logs)

    def _stop_workers(self) -> None:
        """Hang up on all workers, kill those that do not end by it, and take down their last words."""
        with self._lock:
            self._over.set()
        for worker in self._started():
            worker.hang_up()
        deadline = time.monotonic() + HANG_UP_SECONDS
        for worker in self._started():
            if worker.wait(max(0.0, deadline - time.monotonic())) is None:
                worker.kill()
        deadline = time.monotonic() + FLUSH_SECONDS
        for reader in self._readers:
            reader.join(max(0.0, deadline - time.monotonic()))
        while not self._heard.empty():
            node, event = self._heard.get()
            if not isinstance(event, Logged):
                self._folder.record(node, event)

    def _end(self, status: Status, failure: Failure | None) -> Result:
        result = Result(status=status, failure=failure, test_accuracy=self._test_accuracy, ended=time.time())
        self._folder.end(result)
        return result


def _one_line(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}".splitlines()[0]
