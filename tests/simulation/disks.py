"""Disks that fill up, and files as points at which a process may die: what Python asks the system for is overheard.

An audit hook (PEP 578) sees every file that is opened, renamed, made or removed, whoever does it.
"""

from __future__ import annotations

import errno
import os
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.simulation.scheduler import Scheduler

_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT
_SPARE_WRITES = 40
"""Small records that the room of a run folder takes, once it was given back."""


@dataclass
class Disk:
    """The disk of one machine: a folder."""

    folder: Path
    errno: int = 0
    """Why it takes nothing: ENOSPC, EROFS, EIO; 0 where it is well."""
    was_bad: bool = False
    """True where it did not take something, some time."""
    spare: int = 0
    """Files that it takes nevertheless."""

    def check(self, path: str) -> None:
        """Raise OSError where it does not take what is about to be written."""
        self.was_bad |= bool(self.errno)
        if self.errno and self.spare == 0:
            raise OSError(self.errno, os.strerror(self.errno), path)
        self.spare = max(0, self.spare - 1)


class Disks:
    """All disks of a world, while it is simulated."""

    def __init__(self, scheduler: Scheduler, root: Path) -> None:
        self._scheduler, self._root = scheduler, f"{root}/"
        self._disks: list[Disk] = []

    def add(self, name: str) -> Disk:
        """Make a disk."""
        folder = Path(self._root) / name
        folder.mkdir()
        self._disks.append(disk := Disk(folder))
        return disk

    def __enter__(self) -> Self:
        _watching.append(self)
        return self

    def __exit__(self, *_: object) -> None:
        _watching.remove(self)

    def asked(self, event: str, arguments: Sequence[object]) -> None:
        """Look at what a simulated thread is about to do with a file."""
        if not isinstance(arguments[0], str | bytes | os.PathLike):
            return
        path = os.path.abspath(os.fsdecode(arguments[0]))  # noqa: PTH100  a Path would take long
        if not path.startswith(self._root) or not self._scheduler.runs_here():
            return
        short = path[len(self._root) :]
        self._scheduler.pause(f"{event} {_without_numbers(short)}")
        writes = event in ("os.mkdir", "os.rename") or (event == "open" and int(str(arguments[2])) & _WRITING)
        disk = next(disk for disk in self._disks if path.startswith(f"{disk.folder}/"))
        if writes:
            disk.check(path)
        elif event == "os.remove" and path.endswith("/.room") and disk.errno == errno.ENOSPC:
            disk.spare = _SPARE_WRITES


_EVENTS = frozenset({"open", "os.mkdir", "os.rename", "os.remove", "os.rmdir"})
_RUN = re.compile(r"\d{4}-\d\d-\d\d-[^/]*")
_watching: list[Disks] = []


def _without_numbers(path: str) -> str:
    """A path without the numbers and letters in it that are others in every replay."""
    return _RUN.sub("RUN", path.replace(f".{os.getpid()}", ""))


def _overhear(event: str, arguments: tuple[object, ...]) -> None:
    if _watching and event in _EVENTS:
        _watching[-1].asked(event, arguments)


sys.addaudithook(_overhear)
