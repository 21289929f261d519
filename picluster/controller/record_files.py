"""Records on disk: written aside and renamed, or grown line by line; what goes wrong is one clear line."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import msgspec

from picluster.errors import DataError, InputError
from picluster.schema.events import Recorded
from picluster.schema.record import Record, from_json, to_json

if TYPE_CHECKING:
    from typing import Never

RecordType = TypeVar("RecordType", bound=Record)

_MAKE_ROOM = "make room on the disk"
_ANOTHER_FOLDER = "work in a folder that you may write to"
_FIXES = {
    errno.ENOSPC: _MAKE_ROOM,
    errno.EDQUOT: _MAKE_ROOM,
    errno.EACCES: _ANOTHER_FOLDER,
    errno.EROFS: _ANOTHER_FOLDER,
}


def refuse(action: str, path: Path, error: OSError) -> Never:
    """Raise DataError: the disk did not allow `action`, such as `write`."""
    fix = _FIXES.get(error.errno or 0, "")
    if isinstance(error, PermissionError) and action == "read":
        fix = "ask its owner for the right to read it"
    raise DataError(f"cannot {action} {path.absolute()}: {error.strerror}", fix=fix) from error


def write_whole(file: Path, content: bytes) -> None:
    """The file appears whole, or stays as it was."""
    aside = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        with aside.open("wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        aside.replace(file)
    except OSError as error:
        with suppress(OSError):
            aside.unlink()
        refuse("write", file, error)


def write_record(file: Path, record: Record) -> None:
    """A readable page of JSON."""
    write_whole(file, to_json(record, indent=True))


def append_record(file: Path, record: Record) -> None:
    """A line of JSON."""
    try:
        with file.open("ab") as lines:
            lines.write(to_json(record) + b"\n")
    except OSError as error:
        refuse("write", file, error)


def read_record(file: Path, kind: type[RecordType]) -> RecordType:
    """A page of JSON; DataError where it is missing or no `kind`."""
    try:
        return from_json(kind, file.read_bytes(), source=str(file))
    except FileNotFoundError as error:
        raise DataError(f"the run folder {file.parent} lacks {file.name}") from error
    except OSError as error:
        refuse("read", file, error)
    except InputError as error:
        raise DataError(error.what) from error


def read_lines(file: Path) -> Iterator[Recorded]:
    """Whole lines only: the last one may have been cut when its writer died."""
    try:
        lines = file.open("rb")
    except FileNotFoundError:
        return
    except OSError as error:
        refuse("read", file, error)
    with lines:
        for line in lines:
            if not line.endswith(b"\n"):
                return
            try:
                yield msgspec.json.decode(line, type=Recorded)
            except msgspec.DecodeError as error:
                raise DataError(f"{file} has a line that is no event: {error}") from error
