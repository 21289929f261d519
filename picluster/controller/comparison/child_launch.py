"""`picluster launch` as a process of its own: what it said, and how it ended. However we end, it ends too."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Self

END_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)
_LOOK_SECONDS = 0.25
_LEAVE_SECONDS = 60.0
"""A launch that is asked to end does so within its grace, and says why it did not."""
_RUN, _ERROR, _FIX = "run        ", "error: ", "  fix: "


class EndSignals:
    """While it is entered, signals that ask to end are noted instead of ending this process."""

    def __init__(self) -> None:
        self.came: signal.Signals | None = None
        """The first of them."""
        self._before: dict[int, object] = {}

    def __enter__(self) -> Self:
        for number in END_SIGNALS:
            if signal.getsignal(number) is not signal.SIG_IGN:  # as under nohup
                self._before[number] = signal.signal(number, self._note)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]

    def _note(self, number: int, _frame: object) -> None:
        self.came = self.came or signal.Signals(number)


@dataclass(frozen=True)
class LaunchEnd:
    """How a launch ended."""

    code: int
    output: str
    errors: str

    @property
    def runs(self) -> list[Path]:
        """Folders of the runs that it began: one, or before it one of pre-training."""
        return [Path(line.removeprefix(_RUN)) for line in self.output.splitlines() if line.startswith(_RUN)]

    @property
    def cause(self) -> str:
        """Why it failed, in a line."""
        lines = [line for line in self.errors.splitlines() if line.strip()]
        told = [line.removeprefix(_ERROR) for line in lines if line.startswith(_ERROR)]
        return (told or [line.strip() for line in lines] or [f"it ended with code {self.code}"])[-1]

    @property
    def fix(self) -> str:
        """What it said to do about that; may be empty."""
        lines = self.errors.splitlines()
        return next((line.removeprefix(_FIX) for line in reversed(lines) if line.startswith(_FIX)), "")


def launch(words: Sequence[str], signals: EndSignals, hear: Callable[[str], None] | None = None) -> LaunchEnd:
    """Run it to its end. `hear` is told its last line from time to time; a signal that comes is handed on to it."""
    with TemporaryFile() as output, TemporaryFile() as errors:
        child = subprocess.Popen(
            [*_guard(), sys.executable, "-m", "picluster.cli.main", "launch", *words],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=errors,
            env={**os.environ, "PYTHONIOENCODING": "utf-8"},
            process_group=0,  # else a Ctrl-C would reach it twice
        )
        try:
            _await(child, signals, lambda: hear(_last_line(output)) if hear else None)
        finally:
            child.kill()
            child.wait()
        return LaunchEnd(child.returncode, _read(output), _read(errors))


def _await(child: subprocess.Popen[bytes], signals: EndSignals, look: Callable[[], None]) -> None:
    ends_by = None
    while True:
        if signals.came and ends_by is None:
            child.send_signal(signals.came)
            ends_by = time.monotonic() + _LEAVE_SECONDS
        try:
            child.wait(_LOOK_SECONDS)
        except subprocess.TimeoutExpired:
            look()
        else:
            return
        if ends_by is not None and time.monotonic() > ends_by:
            return


def _guard() -> list[str]:
    """What lets the kernel end it when we are killed, on Linux."""
    return ["setpriv", "--pdeathsig", "TERM", "--"] if shutil.which("setpriv") else []


def _read(file: IO[bytes], size: int | None = None) -> str:
    """What is there by now. The child writes at a position that it shares with us, so it must stay where it is."""
    length = os.fstat(file.fileno()).st_size
    begin = 0 if size is None else max(0, length - size)
    return os.pread(file.fileno(), length - begin, begin).decode(errors="replace")


def _last_line(file: IO[bytes]) -> str:
    lines = _read(file, 500).splitlines()
    return lines[-1].strip() if lines else ""
