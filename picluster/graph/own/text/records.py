"""From a text file to its records: the cells of every line, by its dialect."""

import csv
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from picluster.errors import DataError
from picluster.graph.own.text.dialect import Dialect, find_dialect, is_comment
from picluster.graph.own.text.source import check_text, read_lines

SAMPLE_LINES = 1000
"""So many lines decide on the dialect, and on which columns hold numbers."""


class TextRecord(NamedTuple):
    """The cells of a line."""

    line: int
    """Its number in the file, from 1."""
    cells: list[str]
    """None where the line is empty; a quoted nothing is one cell."""


class Peek(NamedTuple):
    """What the first lines of a file tell."""

    file: Path
    dialect: Dialect
    first: TextRecord
    """The first line that is no comment and not empty."""
    sample: list[TextRecord]
    """The records after it that are not empty."""
    whole: bool
    """Whether these are all."""


def peek(file: Path, *, ids_first: bool = False) -> Peek:
    """Looks at the beginning of a file. DataError where it is no text or has no rows; see `find_dialect`."""
    check_text(file)
    lines = list(islice(read_lines(file), SAMPLE_LINES + 1))
    whole = len(lines) <= SAMPLE_LINES
    dialect = find_dialect(lines[:SAMPLE_LINES], ids_first=ids_first)
    found = list(islice((record for record in records(file, dialect) if record.cells), SAMPLE_LINES))
    if not found:
        raise DataError(f"{file} has no rows", fix="see docs/datasets.md for what belongs there")
    return Peek(file, dialect, found[0], found[1:], whole and len(found) < SAMPLE_LINES)


def records(file: Path, dialect: Dialect) -> Iterator[TextRecord]:
    """Every record after the lines that are skipped, empty lines too; without comments.

    DataError names the line with a quote that does not fit.
    """
    lines = _NumberedLines(file, dialect.skipped_lines)
    if dialect.attributes or not dialect.separator:
        for line in lines:
            yield TextRecord(lines.number, _cells_of_line(file, lines.number, dialect, line))
        return
    reader = csv.reader(lines, delimiter=dialect.separator, strict=True)
    try:
        for cells in reader:
            stripped = [cell.strip() for cell in cells]
            yield TextRecord(lines.first_number, [] if stripped == [""] != cells else stripped)
            lines.first_number = 0
    except csv.Error as error:
        raise _stray_quote(file, lines.first_number or lines.number, error) from None


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


def _cells_of_line(file: Path, number: int, dialect: Dialect, line: str) -> list[str]:
    if not line.strip():
        return []
    try:
        return dialect.cells(line)
    except csv.Error as error:
        raise _stray_quote(file, number, error) from None


def _stray_quote(file: Path, number: int, error: csv.Error) -> DataError:
    what = f"{file}, line {number}: a quote does not end where a cell ends ({error})"
    return DataError(what, fix='write a quote inside a cell twice (""), or take it out')
