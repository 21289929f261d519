"""A process of an engine's own beside a worker: the kernel kills it with the worker, however that ends."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

_MOST_LOG_BYTES = 1 << 20


class EngineProcess:
    """A child of the worker. Its log can be read also when the file has been removed."""

    def __init__(self, command: Sequence[str], log: Path, environment: Mapping[str, str]) -> None:
        """Start it. The calling thread must live as long as the worker: the kernel watches the thread."""
        self._log = log.open("w+b")
        self._process = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", "--", *command],  # noqa: S607  every system has it in its own place
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=self._log,
            env=dict(environment),
        )
        self.number = self._process.pid

    @property
    def exit_code(self) -> int | None:
        """Exit code, negative for a signal; None while it runs."""
        return self._process.poll()

    def log_text(self) -> str:
        """Read what it has written so far."""
        return os.pread(self._log.fileno(), _MOST_LOG_BYTES, 0).decode(errors="replace")

    def terminate(self) -> None:
        """Ask it to end."""
        self._process.terminate()

    def end(self, patience_seconds: float) -> None:
        """Wait for its end, and kill it when that does not come."""
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(patience_seconds)
        self._process.kill()
        self._process.wait()
        self._log.close()
