"""The base of every record, and the way from and to JSON."""

from typing import TypeVar

import msgspec

from picluster.errors import InputError


class Record(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Frozen and typed; unknown keys are errors."""


RecordType = TypeVar("RecordType")


def to_json(record: Record, *, indent: bool = False) -> bytes:
    """One line of JSON, or a readable page of it."""
    line = msgspec.json.encode(record)
    return msgspec.json.format(line, indent=2) + b"\n" if indent else line


def from_json(kind: type[RecordType], text: bytes | str, *, source: str) -> RecordType:
    """Read a record.

    Raises:
        InputError: the text is not JSON, or not a `kind`; names `source` and the place in it.
    """
    try:
        return msgspec.json.decode(text, type=kind)
    except msgspec.DecodeError as error:
        message = f"{source} is not a valid {kind.__name__.lower()}: {error}"
        raise InputError(message) from error
