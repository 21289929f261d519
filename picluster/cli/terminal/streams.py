"""Standard output and error: closed, full, without a reader, or in an encoding that lacks a letter.

None of it may end a run or show a traceback. What cannot be written is dropped, and the first reason kept.
"""

from __future__ import annotations

import codecs
import errno
import io
import os
import select
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

# One letter for one: a table or a live view must stay as wide as it is.
_PLAINER = str.maketrans("–—…│·°±━→\N{MULTIPLICATION SIGN}", "--.|-o~->x")
_FEWEST_COLUMNS = 20
_STANDARD_OUTPUT, _STANDARD_ERROR = 1, 2
_READERS_LEFT = (errno.EPIPE, errno.EBADF, errno.EIO)
"""Errors of a pipe without a reader, a closed stream, a terminal that has vanished."""


class Outlet(io.FileIO):
    """Raw stream that never fails: it drops what cannot be written."""

    def __init__(self, descriptor: int) -> None:
        super().__init__(descriptor, "w", closefd=False)
        self.error: OSError | None = None
        """First error, after which nothing is written any more."""
        self.word = ""
        """Words for standard error once output is lost: what goes on nevertheless."""

    def write(self, data: ReadableBuffer) -> int:
        """Write all of it, or drop it."""
        rest = memoryview(data).cast("B")
        size = len(rest)
        while len(rest) and self.error is None:
            try:
                rest = rest[os.write(self.fileno(), rest) :]
            except BlockingIOError:  # a terminal that another program made non-blocking
                select.select([], [self.fileno()], [])
            except OSError as error:
                self.error = error
                if self.word:
                    why = "nobody reads standard output any more" if self.has_no_reader else _reason(error)
                    print(f"note       {why}; {self.word}", file=sys.stderr, flush=True)
        return size

    @property
    def has_no_reader(self) -> bool:
        """True where output is lost because nobody reads it, rather than for a full disk."""
        return self.error is not None and self.error.errno in _READERS_LEFT


def open_streams() -> None:
    """Put both streams on outlets. Streams that are not the interpreter's own, as in tests, stay as they are."""
    codecs.register_error("picluster", _plainer)
    for number in range(3):
        _fill(number)
    # A table that is wider than a very narrow terminal is wrapped or cut off by the terminal.
    if 0 < shutil.get_terminal_size().columns < _FEWEST_COLUMNS or os.environ.get("COLUMNS") == "0":
        os.environ["COLUMNS"] = str(_FEWEST_COLUMNS)
    if sys.stdout is sys.__stdout__:
        sys.stdout = _opened(sys.stdout, _STANDARD_OUTPUT)
    if sys.stderr is sys.__stderr__:
        sys.stderr = _opened(sys.stderr, _STANDARD_ERROR)


def standard_output() -> Outlet | None:
    """Outlet of standard output; None where `open_streams` has put none below it."""
    return _outlet(sys.stdout)


def turn_to(file: Path) -> None:
    """Put standard output and error on a file, as far as the disk takes it, and standard input on nothing."""
    nothing = os.open(os.devnull, os.O_RDWR)
    try:
        kept = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
    except OSError as error:
        print(f"note       cannot write {file}: {error.strerror}; what is told is lost", file=sys.stderr, flush=True)
        kept = nothing
    sys.stdout.flush()
    sys.stderr.flush()
    for source, number in ((nothing, 0), (kept, _STANDARD_OUTPUT), (kept, _STANDARD_ERROR)):
        os.dup2(source, number)
    for each in {nothing, kept}:
        os.close(each)
    for outlet in filter(None, map(_outlet, (sys.stdout, sys.stderr))):
        outlet.error = None  # a terminal that takes nothing any more is no reason to lose this, too


def _outlet(stream: TextIO) -> Outlet | None:
    raw = getattr(getattr(stream, "buffer", None), "raw", None)
    return raw if isinstance(raw, Outlet) else None


def problem() -> str:
    """Reason why output could not be printed; empty where that was said already, or nobody wanted to read it."""
    sys.stdout.flush()
    outlet = standard_output()
    if outlet is None or outlet.error is None or outlet.has_no_reader or outlet.word:
        return ""
    return _reason(outlet.error)


def _reason(error: OSError) -> str:
    return f"cannot write to standard output: {error.strerror}"


def _fill(number: int) -> None:
    """Open a closed descriptor on nothing: else the next file that is opened would become the standard stream."""
    try:
        os.fstat(number)
    except OSError:
        nothing = os.open(os.devnull, os.O_RDWR)
        os.dup2(nothing, number)
        if nothing != number:
            os.close(nothing)


def _opened(before: TextIO | None, descriptor: int) -> TextIO:
    if before is not None:
        before.flush()
    return io.TextIOWrapper(
        io.BufferedWriter(Outlet(descriptor)),
        encoding=before.encoding if before else "utf-8",
        errors="picluster",
        line_buffering=descriptor == _STANDARD_ERROR or (before is not None and before.isatty()),
    )


def _plainer(error: UnicodeError) -> tuple[str, int]:
    """Replace letters that the terminal's encoding lacks: our own signs by plainer ones, others by a question mark."""
    assert isinstance(error, UnicodeEncodeError)
    lacking = error.object[error.start : error.end].translate(_PLAINER)
    return "".join(letter if letter.isascii() else "?" for letter in lacking), error.end
