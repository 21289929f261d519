"""Files on disk: written aside and renamed, or grown line by line; errors are one clear line."""

from __future__ import annotations

import hashlib
import os
import shlex
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from math import inf
from pathlib import Path
from typing import TypeVar

import msgspec

from picluster.asides import written_aside
from picluster.errors import DataError, InputError
from picluster.refusals import refuse
from picluster.schema.events import AnyEvent, EpochDone, Recorded, StepDone
from picluster.schema.record import Record, decode, from_json, to_json
from picluster.schema.run import Resumption
from picluster.schema.state import Position
from picluster.wording import in_words

RecordType = TypeVar("RecordType", bound=Record)


def require_folder_or_nothing(path: Path) -> None:
    """Raise DataError where something else has the name of a folder."""
    if path.is_symlink() and not path.exists():
        what = f"{path.absolute()} is a link to {path.readlink()}, which does not exist"
        raise DataError(what, fix="make that folder (is its disk mounted?), or remove the link")
    if path.exists() and not path.is_dir():
        raise DataError(f"{path.absolute()} is not a folder", fix="move it away: a folder must have that name")


def check_output(file: Path, option: str, suffixes: Sequence[str], kind: str) -> None:
    """Raise InputError where a file that a person names cannot be written: its name ends in none of `suffixes`, say.

    `option` names it on the command line; `kind` in the message, such as `picture that can be drawn`.
    """
    if os.path.isdir(file):  # noqa: PTH112  a Path raises what it cannot look at
        raise InputError(f"{file} is a folder", fix=f"name a file with {option}")
    if file.suffix.lower() not in suffixes:
        others = f", or {' or '.join(suffixes[1:])}" if len(suffixes) > 1 else ""
        fix = f"{option} {shlex.quote(str(file.with_suffix(suffixes[0])))}{others}"
        raise InputError(f"{file} is no kind of {kind}", fix=fix)
    if not os.path.isdir(file.parent):  # noqa: PTH112
        raise InputError(f"there is no folder {file.parent}", fix=f"make it, or choose another with {option}")
    if not os.access(file.parent, os.W_OK | os.X_OK):
        raise InputError(f"{file.parent.absolute()} cannot be written to", fix=f"choose another folder with {option}")
    try:
        file.stat()
    except FileNotFoundError:
        pass
    except OSError as error:
        raise InputError(f"{file} cannot be written: {error.strerror}", fix=f"choose another with {option}") from error


def write_whole(file: Path, content: bytes) -> None:
    """Write a file that appears whole, or stays as it was."""
    with written_aside(file) as aside, aside.open("wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())


def keep_answer(file: Path, answer: bytes) -> None:
    """Write a file of a cache that is the person's alone; one that cannot be written is no reason to fail."""
    with suppress(OSError, DataError):
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_whole(file, answer)


def write_record(file: Path, record: Record) -> None:
    """Write a record as a readable page of JSON."""
    write_whole(file, to_json(record, indent=True))


def checksum(file: Path) -> str:
    """SHA-256 of a file's content; DataError where it cannot be read."""
    try:
        return hashlib.sha256(file.read_bytes()).hexdigest()
    except OSError as error:
        refuse("read", file, error)


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
            yield read_event(line, file, number)


def read_event(line: bytes, file: Path, number: int | None = None) -> Recorded:
    """The event of a line. DataError where it has none, which names the file and the line's number."""
    try:
        event: Recorded = decode(line, Recorded)
    except msgspec.DecodeError as error:
        place = "a line" if number is None else f"line {number}"
        raise DataError(f"{file} has no event in {place}: {in_words(error)}") from error
    return event


def counted_once(lines: Iterable[Recorded], attempts: Iterable[Resumption] = ()) -> Iterator[Recorded]:
    """Leave out the steps and epochs that a later attempt of the run made again; `attempts` say where they began."""
    found = list(lines)
    begun = {each.attempt: _begun(each.position) for each in attempts}
    for each in found:
        if (place := _place(each.event)) is not None:
            begun[each.attempt] = min(place, begun.get(each.attempt, place))
    for each in found:
        place = _place(each.event)
        if place is None or all(place < first for attempt, first in begun.items() if attempt > each.attempt):
            yield each


def _begun(position: Position) -> tuple[int, float]:
    return position.epoch, position.step if position.phase == "training" else inf


def _place(event: AnyEvent) -> tuple[int, float] | None:
    """Epoch and step of what is made once; an epoch ends after its steps."""
    if isinstance(event, EpochDone):
        return event.epoch, inf
    return (event.epoch, event.step) if isinstance(event, StepDone) else None
