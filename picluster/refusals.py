"""Refusals of the operating system: why it refused a file, in plain words, and what to do about it."""

from __future__ import annotations

import errno
import os
import shutil
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from picluster.errors import DataError

if TYPE_CHECKING:
    from typing import Never

_ANOTHER_FOLDER = "work in a folder that you may write to"
_FULL = (errno.ENOSPC, errno.EDQUOT)
_OF_THE_DISK = (*_FULL, errno.EROFS, errno.EIO)
_FIXES = {
    **dict.fromkeys(_FULL, "make room on the disk"),
    errno.EACCES: _ANOTHER_FOLDER,
    errno.EPERM: _ANOTHER_FOLDER,
    errno.EROFS: "write to another disk; a card that fails may be read, and no more: dmesg tells",
    errno.EFBIG: "allow larger files: ulimit -f unlimited",
    errno.EMFILE: "allow more open files: ulimit -n 4096",
    errno.ENFILE: "end what keeps so many files open on this machine",
    errno.EIO: "see whether the disk is still well: dmesg tells",
}


def words(action: str, path: Path, error: OSError) -> tuple[str, str]:
    """Message and fix for an action on a file, such as `write`, that the system refused; the fix may be empty."""
    what = f"cannot {action} {path.absolute()}: {error.strerror or error}"
    if error.errno in _FULL:
        what += f"; {room(path)}"
    if error.errno == errno.EACCES and action == "read":
        return what, "ask its owner for the right to read it"
    return what, _FIXES.get(error.errno or 0, "")


def refuse(action: str, path: Path, error: OSError) -> Never:
    """Raise DataError: the disk did not allow `action`, such as `write`."""
    what, fix = words(action, path, error)
    raise DataError(what, fix=fix) from error


def refusal(error: OSError) -> tuple[str, str] | None:
    """Message and fix of an error that any code may have raised; None where it may be a bug of picluster."""
    if "No usable temporary directory" in str(error):
        told = "there is no folder for temporary files that can be written to: /tmp may be full"
        return told, "make room there, or name another: TMPDIR=FOLDER before the command"
    if error.errno not in _FIXES:
        return None
    if error.filename is None:
        return f"cannot go on: {error.strerror}", _FIXES[error.errno]
    return words("use", Path(os.fsdecode(error.filename)), error)


def is_of_the_disk(error: BaseException) -> bool:
    """Tell whether an error, or the one that caused it, says that a disk is full, can only be read, or is broken."""
    return any(isinstance(each, OSError) and each.errno in _OF_THE_DISK for each in (error, error.__cause__))


def room(path: Path) -> str:
    """Free space of the file system that a path is on, or would be, and where that is mounted."""
    place = path.absolute()
    with suppress(OSError):
        while not place.exists():
            place = place.parent
        free = shutil.disk_usage(place).free
        while not place.is_mount():
            place = place.parent
        return f"{free / 1e6:,.1f} MB are free on the file system at {place}"
    return "its file system does not tell how much is free"
