"""The base of every record, and the way from and to JSON."""

import re
from typing import Annotated, Any, TypeAlias, TypeVar

import msgspec

from picluster.errors import InputError
from picluster.wording import in_words

LAST_SECOND = 253_402_300_799
"""The last of the year 9999, since 1970."""
Timestamp: TypeAlias = Annotated[float, msgspec.Meta(ge=0, le=LAST_SECOND)]
"""Seconds since 1970, of which there is a date."""


class Record(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A frozen, typed record; unknown keys are errors. A `schema_version` counts up when the record's form changes."""


class _Versioned(msgspec.Struct):
    """Part of a record that can be read whatever its version is."""

    schema_version: int | None = None


RecordType = TypeVar("RecordType", bound=Record)


def to_json(record: Record, *, indent: bool = False) -> bytes:
    """One line of JSON, or indented lines. InputError for a name that is not UTF-8, as file names may be."""
    try:
        line = msgspec.json.encode(record)
    except UnicodeEncodeError as error:
        what = f"the name {error.object!r} is not UTF-8"
        raise InputError(what, fix="rename it, or work in another folder") from error
    return msgspec.json.format(line, indent=2) + b"\n" if indent else line


def decode(text: bytes | str | msgspec.Raw, kind: Any) -> Any:
    """Read JSON of a type. msgspec.DecodeError for whatever is wrong with it: no text in UTF-8, endless brackets."""
    try:
        return msgspec.json.decode(text, type=kind)
    except UnicodeDecodeError as error:
        raise msgspec.DecodeError(in_words(error, bytes(text) if isinstance(text, msgspec.Raw) else text)) from error
    except RecursionError as error:
        raise msgspec.DecodeError("too many brackets stand within each other") from error


def from_json(kind: type[RecordType], text: bytes | str, *, source: str, fix: str = "") -> RecordType:
    """Read a record.

    Raises:
        InputError: the text is not JSON, or not a `kind`; names `source` and the place in it, and says `fix`.
    """
    try:
        version = decode(text, _Versioned).schema_version
        expected = {field.name: field.default for field in msgspec.structs.fields(kind)}.get("schema_version")
        if version is not None and expected is not None and version != expected:
            raise InputError(f"{source} has schema version {version}; this picluster reads {expected}", fix=fix)
        record: RecordType = decode(text, kind)
    except msgspec.DecodeError as error:
        noun = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", kind.__name__).lower()  # ModelDescription: model description
        raise InputError(f"{source} is not a valid {noun}: {in_words(error, text)}", fix=fix) from error
    return record
