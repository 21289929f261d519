"""One change to labs at a time: they choose networks and make bases that others could choose and make too."""

from __future__ import annotations

import fcntl
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import IO

from picluster.errors import MissingError
from picluster.lab.places import LOCK

LOCK_TIMEOUT_SECONDS = 2400
_POLL_SECONDS = 0.1


@contextmanager
def locked(tell: Callable[[str], None]) -> Iterator[None]:
    """Hold the lock; it ends with this process, however that ends.

    Raises:
        MissingError: another process has held it for too long.
    """
    with LOCK.open("a") as file:
        if not _taken(file):
            tell("waiting for another command about labs to end")
            deadline = time.monotonic() + LOCK_TIMEOUT_SECONDS
            while not _taken(file):
                if time.monotonic() > deadline:
                    raise MissingError(
                        "another command about labs does not end", fix=f"see whose it is: fuser --verbose {LOCK}"
                    )
                time.sleep(_POLL_SECONDS)
        yield


def _taken(file: IO[str]) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
