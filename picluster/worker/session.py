"""One job from its first line on standard input to its last event on standard output."""

from __future__ import annotations

import os
import select
import signal
import sys
import threading
import time
import traceback
from contextlib import suppress
from typing import TYPE_CHECKING, BinaryIO, NoReturn

import psutil

from picluster.errors import PeerLost, PiclusterError
from picluster.schema.events import Done, Failed, Ready, StepDone
from picluster.schema.job import Job, Start
from picluster.schema.record import from_json, to_json

if TYPE_CHECKING:
    from picluster.schema.events import WorkerEvent

FAILED_EXIT_CODE = 5
ORPHANED_EXIT_CODE = 6


class Voice:
    """Standard output: events, one line each, from any thread."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._lock = threading.Lock()

    def emit(self, event: WorkerEvent) -> None:
        """Tell the controller."""
        with self._lock:
            self._stream.write(to_json(event) + b"\n")
            self._stream.flush()


class Ear(threading.Thread):
    """Standard input after the job: the start, then heartbeats. When they stop, the worker ends at once.

    It reads the descriptor itself: a buffered stream could hold a line back from `select`.
    """

    def __init__(self, descriptor: int, rest: bytes, grace_seconds: float) -> None:
        super().__init__(name="heartbeat", daemon=True)
        self._descriptor = descriptor
        self._buffer = rest
        self._grace_seconds = grace_seconds
        self._start_line = b""
        self._has_start = threading.Event()

    def run(self) -> None:
        """Until the process ends."""
        while True:
            self._look_for_start()
            readable, _, _ = select.select([self._descriptor], [], [], self._grace_seconds)
            heard = os.read(self._descriptor, 65536) if readable else b""
            if not heard:
                why = "closed its end" if readable else f"was silent for {self._grace_seconds:g} s"
                with suppress(OSError):  # a controller that was killed reads no log either
                    print(f"the controller {why}: ending", file=sys.stderr, flush=True)
                end(ORPHANED_EXIT_CODE)
            if not self._has_start.is_set():
                self._buffer += heard

    def start_line(self) -> Start:
        """Wait for the start."""
        self._has_start.wait()
        return from_json(Start, self._start_line, source="the start on standard input")

    def _look_for_start(self) -> None:
        while not self._has_start.is_set() and b"\n" in self._buffer:
            line, self._buffer = self._buffer.split(b"\n", 1)
            if line.strip():
                self._start_line = line
                self._has_start.set()


def work(commands: BinaryIO, events: BinaryIO) -> None:
    """Do the job that comes on `commands`; tell about it on `events`."""
    began = time.monotonic()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the controller, which then closes our input
    voice = Voice(events)
    descriptor = commands.fileno()
    line, rest = _first_line(descriptor)
    try:
        job = from_json(Job, line, source="the job on standard input")
        ear = Ear(descriptor, rest, job.grace_seconds)
        ear.start()
        _run(job, ear, voice, began)
    except BaseException as error:  # noqa: BLE001  it must reach the controller, whatever it is
        fail(voice, error)


def fail(voice: Voice, error: BaseException) -> NoReturn:
    """Tell the controller why, and end. What was not expected leaves its traceback in the log."""
    with suppress(OSError):  # nobody may be listening any more
        if isinstance(error, PiclusterError):
            print(f"error: {error}", file=sys.stderr, flush=True)
            echo = isinstance(error, PeerLost)
            voice.emit(Failed(cause=error.what, fix=error.fix, expected=True, lost_peer=echo))
        else:
            traceback.print_exception(error)
            voice.emit(Failed(cause=f"{type(error).__name__}: {error}", expected=False))
    end(FAILED_EXIT_CODE)


def end(exit_code: int) -> NoReturn:
    """End this process and its children now, whatever its threads are waiting for."""
    for child in psutil.Process().children(recursive=True):
        with suppress(psutil.NoSuchProcess):
            child.kill()
    with suppress(OSError):
        sys.stderr.flush()
    os._exit(exit_code)


def _run(job: Job, ear: Ear, voice: Voice, began: float) -> None:
    # Only now: the number of threads must be in the environment before torch is imported, and imports take long.
    from picluster.worker.crew import Crew
    from picluster.worker.engines.base import listen
    from picluster.worker.metrics import ResourceSampler, hardware

    resources = ResourceSampler(voice.emit)
    resources.start()

    def emit(event: WorkerEvent) -> None:
        if isinstance(event, StepDone):
            resources.observe()
        voice.emit(event)

    crew = Crew(job, emit, lambda error: fail(voice, error))
    listener = listen(job.address) if job.plan.rank(job.node) == 0 else None
    port = listener.getsockname()[1] if listener else None
    voice.emit(Ready(hardware=hardware(), rendezvous_port=port, seconds=time.monotonic() - began))
    crew.work(ear.start_line(), listener)
    resources.finish()
    voice.emit(Done())


def _first_line(descriptor: int) -> tuple[bytes, bytes]:
    """The job's line, and what came behind it."""
    heard = b""
    while b"\n" not in heard:
        part = os.read(descriptor, 65536)
        if not part:
            print("no job came on standard input: picluster starts this program itself", file=sys.stderr)
            sys.exit(2)
        heard += part
    line, rest = heard.split(b"\n", 1)
    return line, rest
