"""The workers of one run, from their start to their end: listened to, kept alive, and none left behind."""

from __future__ import annotations

import queue
import threading
from typing import TYPE_CHECKING

import msgspec

from picluster.controller.nodes.fan_out import try_all
from picluster.controller.nodes.machine import STATE_SECONDS, Exit
from picluster.controller.running.checkpoints import check_event
from picluster.controller.running.detection.diagnosis import one_line
from picluster.errors import Fault, PiclusterError
from picluster.refusals import is_of_the_disk, refusal
from picluster.schema.events import AnyEvent, Ended, Examined, Failed, Logged, WorkerEvent, WorkerState
from picluster.schema.job import HEARTBEAT_SECONDS
from picluster.schema.record import decode, to_json
from picluster.system import SYSTEM, System

if TYPE_CHECKING:
    from picluster.controller.nodes.machine import WorkerProcess
    from picluster.controller.running.checkpoints import Arrived
    from picluster.controller.running.launch import Launch
    from picluster.schema.record import Record

HANG_UP_SECONDS = 2.0
"""Time for workers to end by themselves before they are killed."""
KILL_SECONDS = 10.0
FLUSH_SECONDS = 5.0
"""Time that the last lines of a worker that has ended may take."""
_ENVIRONMENT = {
    # Products of few rows differ in their last bits between one thread and two: further cores compute other
    # micro-batches. torch reads it when it is imported.
    "OMP_NUM_THREADS": "1",
    # A model file that goes through a set of words gets them in the same order on every node.
    "PYTHONHASHSEED": "0",
    # It warns that peers' addresses have no names, which on a shelf of Pis is as it should be.
    "TORCH_CPP_LOG_LEVEL": "ERROR",
    # glibc would return every large block to the kernel and fault its pages in again at the next step: up to a third
    # of the time, for no lower peak.
    "MALLOC_MMAP_THRESHOLD_": str(256 << 20),
    "MALLOC_TRIM_THRESHOLD_": str(512 << 20),
}


class Workforce:
    """One worker on each node of a plan.

    Each is started and read by threads of its own, which put what they hear into one queue, with the node's name.
    """

    def __init__(self, launch: Launch, system: System = SYSTEM) -> None:
        self.heard: queue.Queue[tuple[str, AnyEvent | Arrived]] = system.queue(0)
        """Events of the workers, their ends, and arrived files."""
        self._launch, self._system = launch, system
        self._workers: dict[str, WorkerProcess] = {}
        self._readers: list[threading.Thread] = []
        self._over = system.event()
        self._beaten, self._longest_pause = system.now_with_sleep(), 0.0
        self.jobs_given: set[str] = set()
        """Nodes whose workers have all that they need to get ready."""
        self._lock = system.lock()

    def start(self) -> None:
        """Start all workers at once, each in a thread of its own: one that takes long must not hold up the others."""
        for node in self._launch.plan.nodes:
            self._launch.folder.node_folder(node)
            self._system.start_thread(self._bring_up, node, name=f"start {node}")
        self._system.start_thread(self._beat, name="heartbeat")

    def _bring_up(self, node: str) -> None:
        """Start a node's worker, give it its claim, then its data, then its job."""
        parcel, transport = self._launch.parcel(node), self._launch.transports[node]
        try:
            worker = transport.start(parcel, _ENVIRONMENT)
            worker.tell(to_json(self._launch.claim(node)) + b"\n")
            if not self._take_in(node, worker):
                return
            places = transport.deliver(parcel)
            worker.tell(to_json(self._launch.job(node, places)) + b"\n")
            self.jobs_given.add(node)
        except PiclusterError as error:
            self.heard.put((node, Failed(cause=error.what, fix=error.fix, expected=True, fault=error.fault)))
        except BaseException as error:  # noqa: BLE001  the thread that decides must hear of it
            refused = refusal(error) if isinstance(error, OSError) else None
            cause, fix = refused or (one_line(error), "")
            fault: Fault = "disk" if is_of_the_disk(error) else "other"
            self.heard.put((node, Failed(cause=cause, fix=fix, expected=refused is not None, fault=fault)))

    def _take_in(self, node: str, worker: WorkerProcess) -> bool:
        """Listen to a new worker and keep it alive; end it where the run is over already."""
        with self._lock:
            if self._over.is_set():
                worker.hang_up()
                return False
            self._workers[node] = worker
        for read in (self._read_events, self._read_log):
            self._readers.append(self._system.start_thread(read, node, worker, name=f"read {node}"))
        return True

    def tell_all(self, record: Record) -> None:
        """Give every worker a record."""
        for worker in self._started():
            worker.tell(to_json(record) + b"\n")

    def ask_state(self, node: str) -> None:
        """Ask a node what its worker is doing; the answer comes among what is heard."""
        self._system.start_thread(self._ask_state, node, name=f"state of {node}")

    def _ask_state(self, node: str) -> None:
        asked = self._system.now()
        state: WorkerState = "lives"
        try:
            state = self._launch.transports[node].worker_state()
        except PiclusterError as error:
            # At once fails what goes over a broken connection, whose end is noticed by itself.
            if error.fault == "unreachable" and self._system.now() - asked > STATE_SECONDS / 2:
                state = "unknown"
        self.heard.put((node, Examined(state=state)))

    def _started(self) -> list[WorkerProcess]:
        with self._lock:
            return list(self._workers.values())

    def stop(self) -> list[tuple[str, AnyEvent | Arrived]]:
        """Hang up on all workers, kill those that do not end by it; returns their last words."""
        with self._lock:
            self._over.set()
            started = dict(self._workers)
        for worker in started.values():
            worker.hang_up()
        deadline = self._system.now() + HANG_UP_SECONDS
        left = [node for node, each in started.items() if each.wait(max(0.0, deadline - self._system.now())) is None]
        try_all(
            left,
            lambda node: started[node].kill(),
            timeout_seconds=KILL_SECONDS,
            doing="killing the worker",
            system=self._system,
        )
        deadline = self._system.now() + FLUSH_SECONDS
        for reader in self._readers:
            reader.join(max(0.0, deadline - self._system.now()))
        words = []
        while not self.heard.empty():
            words.append(self.heard.get())
        return words

    def _read_events(self, node: str, worker: WorkerProcess) -> None:
        """Read events until the worker closes its output; then see how it ended."""
        for line in worker.output:
            try:
                event: AnyEvent = decode(line, WorkerEvent)
                check_event(event, self._launch)
            except (msgspec.DecodeError, ValueError):
                cause = f"its standard output is not an event: {line[:80]!r}"
                event = Failed(cause=cause, fix="read the log: what else prints on the node?", expected=True)
            self.heard.put((node, event))
        ended = worker.wait(FLUSH_SECONDS) or Exit(None, None)
        starved = ended.signal == "SIGKILL" and self._launch.transports[node].ran_out_of_memory()
        self.heard.put((node, Ended(exit_code=ended.code, signal=ended.signal, out_of_memory=starved)))

    def _read_log(self, node: str, worker: WorkerProcess) -> None:
        self._launch.folder.append_log(node, b"")  # a worker that says nothing has an empty log
        for line in worker.log:
            self._launch.folder.append_log(node, line)
            self.heard.put((node, Logged(line=line.decode(errors="replace").rstrip())))

    @property
    def longest_pause_seconds(self) -> float:
        """The longest time between two heartbeats so far, or since the last: this process or its machine slept."""
        return max(self._longest_pause, self._system.now_with_sleep() - self._beaten)

    def _beat(self) -> None:
        while not self._over.wait(HEARTBEAT_SECONDS):
            self._longest_pause, self._beaten = self.longest_pause_seconds, self._system.now_with_sleep()
            for worker in self._started():
                worker.tell(b"\n")
