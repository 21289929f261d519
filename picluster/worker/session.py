"""Session of a worker: one job, from the claim on standard input to the last event on standard output."""

from __future__ import annotations

import gc
import os
import queue
import select
import signal
import sys
import threading
import time
import traceback
from contextlib import suppress
from typing import TYPE_CHECKING, BinaryIO, NoReturn

from picluster.errors import DataError, Fault, PeerLost, PiclusterError
from picluster.refusals import is_of_the_disk, refusal
from picluster.schema.events import Done, Failed, Ready, StepDone, WorkerEvent
from picluster.schema.job import ORPHANED_EXIT_CODE, Claim, GiveState, Job, Start
from picluster.schema.record import RecordType, from_json, to_json
from picluster.worker.claim import hold, release

if TYPE_CHECKING:
    from picluster.worker.crew import Crew

FAILED_EXIT_CODE = 5
CLAIM_SECONDS = 30.0
"""Time without a claim after which a worker ends: its controller may be cut off."""
_NO_MEMORY = "can't allocate memory"
"""Words of torch's RuntimeError."""
_has_failed = threading.Event()
"""Set when the worker is ending by itself."""


class EventWriter:
    """Standard output: events, one line each, from any thread."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._lock = threading.Lock()

    def emit(self, event: WorkerEvent) -> None:
        """Tell the controller of an event."""
        with self._lock:
            self._stream.write(to_json(event) + b"\n")
            self._stream.flush()


class CommandReader(threading.Thread):
    """Standard input after the claim: records, with heartbeats between. When they stop, the worker ends at once.

    It reads the descriptor itself: a buffered stream could hold a line back from `select`.
    """

    def __init__(self, descriptor: int, rest: bytes, grace_seconds: float) -> None:
        super().__init__(name="heartbeat", daemon=True)
        self._descriptor = descriptor
        self._buffer = rest
        self._grace_seconds = grace_seconds
        self._lines: queue.Queue[bytes] = queue.Queue()

    def run(self) -> None:
        """Read until the process ends."""
        while True:
            *lines, self._buffer = self._buffer.split(b"\n")
            for line in lines:
                if line.strip():
                    self._lines.put(line)
            readable, _, _ = select.select([self._descriptor], [], [], self._grace_seconds)
            heard = os.read(self._descriptor, 65536) if readable else b""
            if not heard:
                why = "closed its end" if readable else f"was silent for {self._grace_seconds:g} s"
                if not _has_failed.is_set():
                    with suppress(OSError):  # a controller that was killed reads no log either
                        print(f"the controller {why}: ending", file=sys.stderr, flush=True)
                end(ORPHANED_EXIT_CODE)
            self._buffer += heard

    def next(self, kind: type[RecordType]) -> RecordType:
        """Wait for the next record, which must be of that kind."""
        return from_json(kind, self._lines.get(), source=f"the {kind.__name__.lower()} on standard input")


def work(commands: BinaryIO, events: BinaryIO) -> None:
    """Do what comes on `commands`: a claim, then a job; tell about it on `events`."""
    began = time.monotonic()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the controller, which then closes our input
    writer = EventWriter(events)
    descriptor = commands.fileno()
    line, rest = _first_line(descriptor)
    try:
        claim = from_json(Claim, line, source="the claim on standard input")
        reader = CommandReader(descriptor, rest, claim.grace_seconds)
        reader.start()
        hold(claim)
        _run(reader, writer, began)
        release()
    except BaseException as error:  # noqa: BLE001  it must reach the controller, whatever it is
        fail(writer, error)


def fail(writer: EventWriter, error: BaseException) -> NoReturn:
    """Tell the controller why, and end. What was not expected leaves its traceback in the log."""
    _has_failed.set()
    fault = fault_of(error)
    if isinstance(error, OSError) and (refused := refusal(error)):
        error = DataError(refused[0], fix=refused[1])
    with suppress(OSError):  # nobody may be listening any more
        if isinstance(error, PiclusterError):
            echo = isinstance(error, PeerLost)
            writer.emit(Failed(cause=error.what, fix=error.fix, expected=True, fault=fault, lost_peer=echo))
        else:
            traceback.print_exception(error)
            writer.emit(Failed(cause=f"{type(error).__name__}: {error}", expected=False, fault=fault))
    end(FAILED_EXIT_CODE)


def fault_of(error: BaseException) -> Fault:
    """Kind of the failure that an error is: of an unexpected one, whether memory, a disk or the model is to blame."""
    if is_of_the_disk(error):
        return "disk"
    if isinstance(error, MemoryError) or _NO_MEMORY in str(error):
        return "out-of-memory"
    if isinstance(error, PiclusterError):
        return error.fault
    # Where a model file is loaded, so is this; else it would import torch for nothing.
    model_fault = sys.modules.get("picluster.worker.compute.model_fault")
    return "model" if model_fault and model_fault.place_of(error)[1] else "other"


def end(exit_code: int) -> NoReturn:
    """End this process and its children now, whatever its threads are waiting for."""
    import psutil

    for child in psutil.Process().children(recursive=True):
        with suppress(psutil.NoSuchProcess):
            child.kill()
    release()
    with suppress(OSError):
        sys.stderr.flush()
    os._exit(exit_code)


def _run(reader: CommandReader, writer: EventWriter, began: float) -> None:
    # Imports take long: the node is claimed before them, and its data may arrive meanwhile.
    gc.disable()  # it would look in vain for garbage among modules, for a tenth of the time
    from picluster.worker.crew import Crew
    from picluster.worker.engines import listens
    from picluster.worker.engines.base import listen
    from picluster.worker.measuring.energy import meter_of
    from picluster.worker.measuring.metrics import ResourceSampler, hardware

    resources = ResourceSampler(writer.emit)
    resources.start()

    def emit(event: WorkerEvent) -> None:
        if isinstance(event, StepDone):
            resources.observe()
        writer.emit(event)

    job = reader.next(Job)
    resources.meter = meter_of(job.meter)
    crew = Crew(job, emit, lambda error: fail(writer, error))
    gc.collect()
    gc.freeze()
    gc.enable()
    is_called = listens(job.plan.engine, job.plan.rank(job.node), len(job.plan.nodes))
    listener = listen(job.address) if is_called else None
    port = listener.getsockname()[1] if listener else None
    machine = hardware(computes=crew.computes)
    writer.emit(Ready(hardware=machine, rendezvous_port=port, seconds=time.monotonic() - began))
    start = reader.next(Start)
    threading.Thread(target=_take_questions, args=(reader, crew, writer), name="questions", daemon=True).start()
    crew.work(crew.meet(start, listener))
    resources.finish()
    writer.emit(Done())


def _take_questions(reader: CommandReader, crew: Crew, writer: EventWriter) -> None:
    """Pass on what is asked while the run goes on, until the process ends."""
    try:
        while True:
            crew.give_states(reader.next(GiveState).position)
    except BaseException as error:  # noqa: BLE001  it must reach the controller, whatever it is
        fail(writer, error)


def _first_line(descriptor: int) -> tuple[bytes, bytes]:
    """The claim's line, and what came behind it."""
    heard, deadline = b"", time.monotonic() + CLAIM_SECONDS
    while b"\n" not in heard:
        readable, _, _ = select.select([descriptor], [], [], max(0.0, deadline - time.monotonic()))
        part = os.read(descriptor, 65536) if readable else b""
        if not part:
            print("no claim came on standard input: picluster starts this program itself", file=sys.stderr)
            sys.exit(2)
        heard += part
    line, rest = heard.split(b"\n", 1)
    return line, rest
