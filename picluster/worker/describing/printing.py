"""What a model file prints while it is described: kept apart from what the description says."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

_LINES_SHOWN = 20


@contextmanager
def muted() -> Iterator[None]:
    """Nothing that is printed within goes anywhere, whoever prints it."""
    with Path(os.devnull).open("wb") as nowhere, _redirected(nowhere):
        yield


@contextmanager
def kept_apart() -> Iterator[list[str]]:
    """The lines that are printed within, also from C++; they are there when the block has ended."""
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
    """Standard output and error."""
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
