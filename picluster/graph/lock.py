"""Lock of a graphs folder: one process at a time makes graphs there, and clears what a dead one left."""

import contextlib
import fcntl
import glob
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

from picluster.errors import DataError
from picluster.graph.names import PARTIAL_MARK

LOCK_TIMEOUT_S = 900
"""Longest wait for another process that prepares in the same place."""
_LOCK_POLL_S = 0.1


@contextlib.contextmanager
def maker_lock(path: Path) -> Iterator[None]:
    """Hold the lock of the folder above the graph folder `path`, and remove partial folders of that graph.

    The kernel frees the lock when its holder dies. DataError where the folder above cannot be made or written to, or
    another process holds the lock too long.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = (path.parent / ".lock").open("w")
    except OSError as error:
        what = f"cannot make the folder {path.parent.absolute()} or write to it: {error.strerror}"
        raise DataError(what, fix="work in a folder where you may write") from error
    with file:
        deadline = time.monotonic() + LOCK_TIMEOUT_S
        while not _is_taken(file):
            if time.monotonic() > deadline:
                what = f"another process has been holding {file.name} for more than {LOCK_TIMEOUT_S} s"
                raise DataError(what, fix="end that process, or choose another graphs folder")
            time.sleep(_LOCK_POLL_S)
        for leftover in path.parent.glob(f"{glob.escape(path.name)}{PARTIAL_MARK}*"):
            shutil.rmtree(leftover, ignore_errors=True)
        yield


def is_held(graphs_folder: Path) -> bool:
    """True where a process is making a graph folder there."""
    with contextlib.suppress(OSError), (graphs_folder / ".lock").open("r") as file:
        return not _is_taken(file, fcntl.LOCK_SH)
    return False


def _is_taken(file: TextIO, kind: int = fcntl.LOCK_EX) -> bool:
    """Take the lock; False where another process holds it."""
    try:
        fcntl.flock(file, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
