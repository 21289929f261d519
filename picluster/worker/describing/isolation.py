"""The process around a model file while it is described: output caught, time and memory bounded, another node acted."""

from __future__ import annotations

import os
import platform
import resource
import signal
import socket
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import IO
from unittest.mock import patch

import psutil

from picluster.worker.compute.model_fault import TooLong

TIME_LIMIT_SECONDS = 120.0
_LINES_SHOWN = 20
_LATER_S = 1_234_567


@contextmanager
def limited(seconds: float = TIME_LIMIT_SECONDS) -> Iterator[None]:
    """Bound the block: `TooLong` when the time is over, and an error, no kill, where memory is short."""

    def end(_number: int, _frame: FrameType | None) -> None:
        message = f"it still runs after {seconds:g} s"
        raise TooLong(message)

    before = resource.getrlimit(resource.RLIMIT_DATA)
    available = psutil.Process().memory_info().data + psutil.virtual_memory().available
    most = available if before[1] == resource.RLIM_INFINITY else min(available, before[1])
    resource.setrlimit(resource.RLIMIT_DATA, (most, before[1]))
    handler = signal.signal(signal.SIGALRM, end)
    signal.setitimer(signal.ITIMER_REAL, seconds, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, handler)
        resource.setrlimit(resource.RLIMIT_DATA, before)


@contextmanager
def on_another_node() -> Iterator[None]:
    """Give the block another process number, host name and clock, as a model file would find them on another node."""
    seconds, nanoseconds, process = time.time, time.time_ns, os.getpid()
    with (
        patch.object(time, "time", lambda: seconds() + _LATER_S),
        patch.object(time, "time_ns", lambda: nanoseconds() + _LATER_S * 10**9),
        patch.object(os, "getpid", lambda: process + 1),
        patch.object(socket, "gethostname", lambda: "another-node"),
        patch.object(platform, "node", lambda: "another-node"),
    ):
        yield


@contextmanager
def muted() -> Iterator[None]:
    """Throw away what the block prints, whoever prints it."""
    with Path(os.devnull).open("wb") as nowhere, _redirected(nowhere):
        yield


@contextmanager
def captured() -> Iterator[list[str]]:
    """Collect the lines that the block prints, also from C++; they are in the list when the block has ended."""
    lines: list[str] = []
    with tempfile.TemporaryFile() as file:
        try:
            with _redirected(file):
                yield lines
        finally:
            file.seek(0)
            printed = file.read().decode(errors="replace").splitlines()
            lines += printed[:_LINES_SHOWN]
            if len(printed) > _LINES_SHOWN:
                lines.append(f"… {len(printed) - _LINES_SHOWN:,} lines more")


@contextmanager
def _redirected(to: IO[bytes]) -> Iterator[None]:
    """Send standard output and error to a file."""
    _flush()
    own = [os.dup(number) for number in (1, 2)]
    for number in (1, 2):
        os.dup2(to.fileno(), number)
    try:
        yield
    finally:
        _flush()
        for number, descriptor in enumerate(own, start=1):
            os.dup2(descriptor, number)
            os.close(descriptor)


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            stream.flush()
