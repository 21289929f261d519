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

from picluster.project import worker_command

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


@dataclass(frozen=True, kw_only=True)
class Parcel:
    """What one node needs for a run, as it lies on this machine."""

    run: str
    """Name of the run."""
    node: str
    """Name of the node."""
    model_file: Path
    """The model."""
    graph_folder: Path
    """The prepared graph."""
    arrays: tuple[str, ...]
    """The arrays of it that the node reads."""
    output_folder: Path
    """Of the node, in the run folder."""
    weights_file: Path | None = None
    """A trained model to predict with."""

    @property
    def words(self) -> list[str]:
        """What follows the worker's program on its command line."""
        return ["work", f"--run={self.run}", f"--node={self.node}"]


@dataclass(frozen=True, kw_only=True)
class Places:
    """Where the contents of a parcel lie on the node."""

    model_file: str
    graph_folder: str
    output_folder: str
    weights_file: str | None


class Transport(Protocol):
    """The way to one node."""

    address: str
    """IP address of the node's data plane."""
    interface: str
    """The network interface that has it."""
    is_machine: bool
    """Whether the node is a machine of its own, which works for one run at a time."""

    def start(self, parcel: Parcel, environment: Mapping[str, str]) -> WorkerProcess:
        """Start `picluster-worker` with these variables besides its own."""

    def deliver(self, parcel: Parcel) -> Places:
        """Bring the parcel to the node; returns when all of it is there."""

    def fetch(self, path: str, destination: Path) -> None:
        """Move a file that the worker wrote into the run folder."""

    def ran_out_of_memory(self) -> bool:
        """Whether the kernel has killed something there for want of memory since the run began."""

    def close(self) -> None:
        """Remove what the run left on the node, and let go of it."""


class LocalTransport:
    """A worker as a child process of the controller."""

    is_machine = False

    def __init__(self, address: str = LOOPBACK, interface: str = "lo" if sys.platform == "linux" else "lo0") -> None:
        self.address, self.interface = address, interface
        self._process: _LocalProcess | None = None

    def start(self, parcel: Parcel, environment: Mapping[str, str]) -> WorkerProcess:
        """Start a child in a session of its own: Ctrl-C is for the controller alone."""
        process = subprocess.Popen(
            [*worker_command(), *parcel.words],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, **environment},
            start_new_session=True,
        )
        self._process = _LocalProcess(process)
        return self._process

    def deliver(self, parcel: Parcel) -> Places:
        """Everything is here already."""
        return Places(
            model_file=str(parcel.model_file.absolute()),
            graph_folder=str(parcel.graph_folder.absolute()),
            output_folder=str(parcel.output_folder.absolute()),
            weights_file=str(parcel.weights_file.absolute()) if parcel.weights_file else None,
        )

    def fetch(self, path: str, destination: Path) -> None:
        """Move the file."""
        Path(path).replace(destination)

    def ran_out_of_memory(self) -> bool:
        """Not known of this machine, where others work too."""
        return False

    def close(self) -> None:
        """Close the pipes; nothing else was left."""
        if self._process:
            self._process.close()


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

    def close(self) -> None:
        """Close what it would say."""
        self.output.close()
        self.log.close()
