"""The records of a text file, plain or compressed by gzip: its lines, and the cells of each by its dialect."""

import csv
import gzip
import zlib
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import NamedTuple, TextIO

from picluster.errors import DataError
from picluster.graph.own.text.dialect import Dialect, find_dialect, is_comment

_SAMPLE_LINES = 1000
"""Number of lines that decide on the dialect, and on which columns hold numbers."""
_GZIP = b"\x1f\x8b"
_BOMS = {b"\xff\xfe\x00\x00": "UTF-32", b"\xff\xfe": "UTF-16", b"\xfe\xff": "UTF-16"}
_SAVE_AS_UTF8 = "save it as text in UTF-8 (in Excel: CSV UTF-8), or convert it with iconv -t UTF-8"


class TextRecord(NamedTuple):
    """The cells of a line."""

    line: int
    """Its number in the file, from 1."""
    cells: list[str]
    """An empty list where the line is empty; a quoted nothing is one cell."""


def peek(file: Path, *, ids_first: bool) -> tuple[Dialect, TextRecord, list[TextRecord], bool]:
    """The dialect, the first record, some after it, and whether these are all. DataError where there are no rows."""
    check_text(file)
    lines = list(islice(read_lines(file), _SAMPLE_LINES + 1))
    whole = len(lines) <= _SAMPLE_LINES
    dialect = find_dialect(lines[:_SAMPLE_LINES], ids_first=ids_first)
    found = list(islice((record for record in records(file, dialect) if record.cells), _SAMPLE_LINES))
    if not found:
        raise DataError(f"{file} has no rows", fix="see docs/datasets.md for what belongs there")
    return dialect, found[0], found[1:], whole and len(found) < _SAMPLE_LINES


def records(file: Path, dialect: Dialect) -> Iterator[TextRecord]:
    """Every record after the lines that are skipped, empty lines too; without comments.

    DataError names the line with a quote that does not fit.
    """
    lines = _NumberedLines(file, dialect.skipped_lines)
    try:
        if dialect.attributes or not dialect.separator:
            for line in lines:
                yield TextRecord(lines.number, dialect.cells(line) if line.strip() else [])
                lines.first_number = 0
            return
        for cells in csv.reader(lines, delimiter=dialect.separator, strict=True):
            stripped = [cell.strip() for cell in cells]
            yield TextRecord(lines.first_number, [] if stripped == [""] != cells else stripped)
            lines.first_number = 0
    except csv.Error as error:
        what = f"{file}, line {lines.first_number or lines.number}: a quote does not end where a cell ends ({error})"
        raise DataError(what, fix='write a quote inside a cell twice (""), or take it out') from None


class _NumberedLines:
    """The lines of a file that are no comments, and the numbers of the last one and of the first one of a record."""

    def __init__(self, file: Path, skipped: int) -> None:
        self._lines = enumerate(islice(read_lines(file), skipped, None), skipped + 1)
        self.number = 0
        self.first_number = 0

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        for number, line in self._lines:
            self.number = number
            if not is_comment(line):
                self.first_number = self.first_number or self.number
                return line
        raise StopIteration


def comment_lines(file: Path, dialect: Dialect) -> list[tuple[int, str]]:
    """The comments after the first record, with their line numbers."""
    lines = enumerate(islice(read_lines(file), dialect.skipped_lines, None), dialect.skipped_lines + 1)
    return [(number, line.strip()) for number, line in lines if is_comment(line)]


def line_of(file: Path, dialect: Dialect, row: int, *, empty: bool) -> int:
    """The number of the line that holds a record, from 0; `empty`: empty lines count as records."""
    found = (record.line for record in records(file, dialect) if record.cells or empty)
    return next(islice(found, row, None), 0)


def is_gzip(file: Path) -> bool:
    """True where a file's name says that gzip has compressed it."""
    return file.suffix.lower() == ".gz"


def read_lines(file: Path) -> Iterator[str]:
    """Every line with its end, without a byte order mark. DataError where the file is damaged or is no text."""
    try:
        with _open(file) as stream:
            for number, line in enumerate(stream, 1):
                if "\0" in line:
                    what = f"{file}, line {number} holds a NUL byte: this is no text"
                    raise DataError(what, fix="save it as text, or mend the line")
                yield line
    except UnicodeDecodeError:
        raise DataError(f"{file}, {_first_undecodable(file)}: this is not text in UTF-8", fix=_SAVE_AS_UTF8) from None
    except (EOFError, OSError, zlib.error) as error:
        raise DataError(f"{file} cannot be read: {error}", fix="copy or save it again") from None


def check_text(file: Path) -> None:
    """DataError where the first bytes are not those of text in UTF-8."""
    with file.open("rb") as stream:
        start = stream.read(4)
    if start.startswith(_GZIP) != is_gzip(file):
        if is_gzip(file):
            raise DataError(f"{file} is not compressed by gzip", fix=f"call it {file.with_suffix('').name}")
        raise DataError(f"{file} is compressed by gzip", fix=f"call it {file.name}.gz")
    for mark, name in _BOMS.items():
        if start.startswith(mark):
            raise DataError(f"{file} is text in {name}, not in UTF-8", fix=_SAVE_AS_UTF8)
    if start.startswith((b"PK\x03\x04", b"PAR1", b"\x93NUM", b"\xd0\xcf\x11\xe0", b"\x89HDF")):
        raise DataError(f"{file} is no text: it begins like another kind of file", fix="export it as CSV in UTF-8")


def _first_undecodable(file: Path) -> str:
    """The line and the byte: text is decoded ahead of the lines that are given."""
    with gzip.open(file) if is_gzip(file) else file.open("rb") as stream:
        for number, line in enumerate(stream, 1):
            try:
                line.decode()
            except UnicodeDecodeError as error:
                return f"line {number} has the byte 0x{line[error.start]:02x}"
    return "its end"


def _open(file: Path) -> TextIO:
    if is_gzip(file):
        return gzip.open(file, "rt", encoding="utf-8-sig", newline="")
    return file.open(encoding="utf-8-sig", newline="")
