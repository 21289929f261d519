"""The records of a text file, plain or compressed by gzip: its lines, and the cells of each by its dialect."""

import csv
import gzip
from collections.abc import Iterator
from io import TextIOWrapper
from itertools import islice
from pathlib import Path
from typing import BinaryIO, NamedTuple, cast

from picluster.errors import DataError
from picluster.graph.damage import damage_told
from picluster.graph.own.text.dialect import Dialect, is_comment

_GZIP = b"\x1f\x8b"
_BOMS = {b"\xff\xfe\x00\x00": "UTF-32", b"\xff\xfe": "UTF-16", b"\xfe\xff": "UTF-16"}
_SAVE_AS_UTF8 = "save it as text in UTF-8 (in Excel: CSV UTF-8), or convert it with iconv -t UTF-8"


class TextRecord(NamedTuple):
    """The cells of a line."""

    line: int
    """Its number in the file, from 1."""
    cells: list[str]
    """An empty list where the line is empty; a quoted nothing is one cell."""


def records(file: Path, dialect: Dialect) -> Iterator[TextRecord]:
    """Every record after the skipped lines, empty lines too; without comments. DataError where a quote does not fit."""
    read: list[int] = []  # the numbers of a record's lines

    def lines() -> Iterator[str]:
        for number, line in _numbered(file, dialect):
            if not is_comment(line):
                read.append(number)
                yield line

    rows: Iterator[list[str]]
    if dialect.attributes or not dialect.separator:
        rows = (dialect.cells(line) if line.strip() else [] for line in lines())
    else:
        rows = csv.reader(lines(), delimiter=dialect.separator, strict=True)
    try:
        for cells in rows:
            stripped = [cell.strip() for cell in cells]
            yield TextRecord(read[0], [] if stripped == [""] != cells else stripped)
            read.clear()
    except csv.Error as error:
        what = f"{file}, line {read[0]}: a quote does not end where a cell ends ({error})"
        raise DataError(what, fix='write a quote inside a cell twice (""), or take it out') from None


def comment_lines(file: Path, dialect: Dialect) -> list[tuple[int, str]]:
    """The comments after the first record, with their line numbers."""
    return [(number, line.strip()) for number, line in _numbered(file, dialect) if is_comment(line)]


def _numbered(file: Path, dialect: Dialect) -> Iterator[tuple[int, str]]:
    """The lines after those that are skipped, with their numbers."""
    return enumerate(islice(read_lines(file), dialect.skipped_lines, None), dialect.skipped_lines + 1)


def line_of(file: Path, dialect: Dialect, row: int, *, empty: bool) -> int:
    """The number of the line that holds a record, from 0; `empty`: empty lines count as records."""
    found = (record.line for record in records(file, dialect) if record.cells or empty)
    return next(islice(found, row, None), 0)


def read_lines(file: Path) -> Iterator[str]:
    """Every line with its end, without a byte order mark. DataError where the file is damaged or is no text."""
    with damage_told(file, fix="copy or save it again"):
        try:
            with open_bytes(file) as opened, TextIOWrapper(opened, encoding="utf-8-sig", newline="") as stream:
                for number, line in enumerate(stream, 1):
                    if "\0" in line:
                        what = f"{file}, line {number} holds a NUL byte: this is no text"
                        raise DataError(what, fix="save it as text, or mend the line")
                    yield line
        except UnicodeDecodeError:
            what = f"{file}, {_first_undecodable(file)}: this is not text in UTF-8"
            raise DataError(what, fix=_SAVE_AS_UTF8) from None


def check_text(file: Path) -> None:
    """DataError where the first bytes are not those of text in UTF-8."""
    with file.open("rb") as stream:
        start = stream.read(4)
    if start.startswith(_GZIP) != _is_gzip(file):
        if _is_gzip(file):
            raise DataError(f"{file} is not compressed by gzip", fix=f"call it {file.with_suffix('').name}")
        raise DataError(f"{file} is compressed by gzip", fix=f"call it {file.name}.gz")
    for mark, name in _BOMS.items():
        if start.startswith(mark):
            raise DataError(f"{file} is text in {name}, not in UTF-8", fix=_SAVE_AS_UTF8)
    if start.startswith((b"PK\x03\x04", b"PAR1", b"\x93NUM", b"\xd0\xcf\x11\xe0", b"\x89HDF")):
        raise DataError(f"{file} is no text: it begins like another kind of file", fix="export it as CSV in UTF-8")


def _first_undecodable(file: Path) -> str:
    """The line and the byte: text is decoded ahead of the lines that are given."""
    with open_bytes(file) as stream:
        for number, line in enumerate(stream, 1):
            try:
                line.decode()
            except UnicodeDecodeError as error:
                return f"line {number} has the byte 0x{line[error.start]:02x}"
    return "its end"


def open_bytes(file: Path) -> BinaryIO:
    """The bytes of a file, without the compression that its name tells of."""
    return cast("BinaryIO", gzip.open(file)) if _is_gzip(file) else file.open("rb")


def _is_gzip(file: Path) -> bool:
    return file.suffix.lower() == ".gz"
