"""How a worker is started on a node and spoken to."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol

from picluster.controller.places import worker_command

LOOPBACK = "127.0.0.1"


@dataclass(frozen=True)
class Exit:
    """How a worker's process ended."""

    code: int | None
    """None where a signal killed it."""
    signal: str | None
    """Name of the signal."""


class WorkerProcess(Protocol):
    """A worker on some node."""

    @property
    def output(self) -> BinaryIO:
        """Its standard output: events."""

    @property
    def log(self) -> BinaryIO:
        """Its standard error."""

    def tell(self, line: bytes) -> None:
        """Write a line to its standard input; says nothing when the worker is gone."""

    def hang_up(self) -> None:
        """Close its standard input: the worker ends itself."""

    def wait(self, timeout_seconds: float) -> Exit | None:
        """How it ended; None when it has not, within that time."""

    def kill(self) -> None:
        """End it and its children at once."""


class Transport(Protocol):
    """The way to one node."""

    address: str
    """IP address of the node's data plane."""
    interface: str
    """The network interface that has it."""

    def start(self, environment: Mapping[str, str]) -> WorkerProcess:
        """Start `picluster-worker` with these variables besides its own."""

    def fetch(self, path: str, destination: Path) -> None:
        """Move a file that the worker wrote into the run folder."""


class LocalTransport:
    """A worker as a child process of the controller."""

    address = LOOPBACK
    interface = "lo" if sys.platform == "linux" else "lo0"

    def start(self, environment: Mapping[str, str]) -> WorkerProcess:
        """Start a child in a session of its own: Ctrl-C is for the controller alone."""
        process = subprocess.Popen(
            [*worker_command(), "work"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, **environment},
            start_new_session=True,
        )
        return _LocalProcess(process)

    def fetch(self, path: str, destination: Path) -> None:
        """Move the file."""
        Path(path).replace(destination)


class _LocalProcess:
    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        self._process = process
        self._input = process.stdin
        self.output: BinaryIO = process.stdout  # type: ignore[assignment]
        self.log: BinaryIO = process.stderr  # type: ignore[assignment]

    def tell(self, line: bytes) -> None:
        try:
            self._input.write(line)
            self._input.flush()
        except (BrokenPipeError, ValueError):  # gone, or hung up on
            return

    def hang_up(self) -> None:
        try:
            self._input.close()
        except BrokenPipeError:
            return

    def wait(self, timeout_seconds: float) -> Exit | None:
        try:
            code = self._process.wait(timeout_seconds)
        except subprocess.TimeoutExpired:
            return None
        return Exit(None, signal.Signals(-code).name) if code < 0 else Exit(code, None)

    def kill(self) -> None:
        try:
            os.killpg(self._process.pid, signal.SIGKILL)
        except ProcessLookupError:
            return
