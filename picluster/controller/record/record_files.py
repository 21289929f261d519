"""Records on disk: written aside and renamed, or grown line by line; errors are one clear line."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import msgspec

from picluster.errors import DataError, InputError
from picluster.refusals import words
from picluster.schema.events import AnyEvent, EpochDone, Recorded, StepDone
from picluster.schema.record import Record, from_json, to_json
from picluster.wording import in_words

if TYPE_CHECKING:
    from typing import Never

RecordType = TypeVar("RecordType", bound=Record)


def refuse(action: str, path: Path, error: OSError) -> Never:
    """Raise DataError: the disk did not allow `action`, such as `write`."""
    what, fix = words(action, path, error)
    raise DataError(what, fix=fix) from error


def require_text(path: Path) -> None:
    """Raise DataError where a name in a path is no text: it could not stand in a record."""
    try:
        str(path.absolute()).encode()
    except UnicodeEncodeError:
        what = f"the folder {str(path.absolute())!r} has a name that is not UTF-8"
        raise DataError(what, fix="rename it, or work in another folder") from None


def require_folder_or_nothing(path: Path) -> None:
    """Raise DataError where something else has the name of a folder."""
    if path.is_symlink() and not path.exists():
        what = f"{path.absolute()} is a link to {path.readlink()}, which does not exist"
        raise DataError(what, fix="make that folder (is its disk mounted?), or remove the link")
    if path.exists() and not path.is_dir():
        raise DataError(f"{path.absolute()} is not a folder", fix="move it away: a folder must have that name")


def write_whole(file: Path, content: bytes) -> None:
    """Write a file that appears whole, or stays as it was."""
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
    """Write a record as a readable page of JSON."""
    write_whole(file, to_json(record, indent=True))


def append_record(file: Path, record: Record) -> None:
    """Append a record as a line of JSON. Where a disk takes but a part of the line, none of it remains."""
    line = to_json(record) + b"\n"
    try:
        with file.open("ab", buffering=0) as lines:
            end = lines.tell()
            try:
                written = 0
                while written < len(line):
                    written += lines.write(line[written:])
            except OSError:
                with suppress(OSError):
                    lines.truncate(end)
                raise
    except OSError as error:
        refuse("write", file, error)


def read_record(file: Path, kind: type[RecordType]) -> RecordType:
    """Read a record from a page of JSON; DataError where it is missing or no `kind`."""
    try:
        return from_json(kind, file.read_bytes(), source=str(file))
    except FileNotFoundError as error:
        raise DataError(f"the run folder {file.parent} lacks {file.name}") from error
    except OSError as error:
        refuse("read", file, error)
    except InputError as error:
        raise DataError(error.what) from error


def read_lines(file: Path) -> Iterator[Recorded]:
    """Read whole lines only: the last one may have been cut when its writer died."""
    try:
        lines = file.open("rb")
    except FileNotFoundError:
        return
    except OSError as error:
        refuse("read", file, error)
    with lines:
        for number, line in enumerate(lines, start=1):
            if not line.endswith(b"\n"):
                return
            try:
                yield msgspec.json.decode(line, type=Recorded)
            except (msgspec.DecodeError, UnicodeDecodeError) as error:
                raise DataError(f"{file} has no event in line {number}: {in_words(error)}") from error


def counted_once(lines: Iterable[Recorded]) -> Iterator[Recorded]:
    """Leave out the steps and epochs that a later attempt of the run made again."""
    found = list(lines)
    begun: dict[int, tuple[int, float]] = {}
    for each in found:
        if (place := _place(each.event)) is not None:
            begun[each.attempt] = min(place, begun.get(each.attempt, place))
    for each in found:
        place = _place(each.event)
        if place is None or all(place < first for attempt, first in begun.items() if attempt > each.attempt):
            yield each


def _place(event: AnyEvent) -> tuple[int, float] | None:
    """Epoch and step of what is made once; an epoch ends after its steps."""
    if isinstance(event, EpochDone):
        return event.epoch, inf
    return (event.epoch, event.step) if isinstance(event, StepDone) else None
