"""The columns of a text file, read whole: numbers by numpy's parser, words each distinct one once."""

import warnings
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from picluster.graph.own.sheet import Sheet
from picluster.graph.own.text.records import line_of, open_bytes, read_lines, records
from picluster.graph.own.text.text_file import TextFile
from picluster.graph.own.words import columns_of_words, is_number

_CHUNK_BYTES = 1 << 22
_NOTHING: NDArray[Any] = np.empty((0, 0))
_MOST_COLUMNS_OF_WORDS = 8
"""Number of columns that may turn out to hold words beyond the first lines, before the first of them is refused."""


def read_ids(text: TextFile, places: tuple[int, ...], *, as_words: bool = False) -> Sheet:
    """The columns at `places`: int64 where all of them are whole numbers in plain digits, else words."""
    numbers = None if as_words else _numbers(text, places, np.int64)
    if numbers is None:
        return _sheet(text, words_at=places)
    return _sheet(text, numbers=numbers, numbers_at=places)


def read_numbers(text: TextFile, words_at: frozenset[int], left_out: frozenset[int]) -> Sheet:
    """All columns but those left out: float64, and words at `words_at` and wherever there is a cell of another kind."""
    while True:
        places = tuple(place for place in range(text.width) if place not in words_at | left_out | text.empty)
        numbers = _numbers(text, places, np.float64) if places else _NOTHING
        if numbers is not None:
            break
        strange = (place for cells in _rows(text) for place in places if not is_number(text.number(cells[place])))
        if (stranger := next(strange, None)) is None:  # quotes, comments, or blanks that numpy does not pass over
            rows = (",".join(text.number(cells[place]) for place in places) for cells in _rows(text))
            numbers = np.loadtxt(rows, np.float64, comments=None, delimiter=",", ndmin=2)
            break
        words_at |= {stranger}
        if len(words_at) > _MOST_COLUMNS_OF_WORDS:
            words_at |= frozenset(places)
    return _sheet(text, numbers=numbers, numbers_at=places, words_at=tuple(sorted(words_at)))


def read_words(text: TextFile, left_out: frozenset[int]) -> Sheet:
    """All columns but those left out, as words. Empty lines count as rows where there is a single column."""
    places = tuple(place for place in range(text.width) if place not in left_out | text.empty)
    return _sheet(text, words_at=places)


def _sheet(
    text: TextFile,
    *,
    numbers: NDArray[Any] | None = None,
    numbers_at: tuple[int, ...] = (),
    words_at: tuple[int, ...] = (),
) -> Sheet:
    """The sheet; columns of words are read, and the width of every line is checked with them."""
    empty = numbers is None and text.width == 1
    heads = int(bool(text.names) and not text.comment_names)
    empty_lines: list[int] = []
    words = {}
    # Where columns are left out, numpy does not look at them, nor how many there are.
    unseen = len(numbers_at) < text.width
    if words_at or (unseen and not _are_even(text)):
        rows = ([row[place] for place in words_at] for row in _rows(text, empty_lines if empty else None))
        words = dict(zip(words_at, columns_of_words(rows, len(words_at)), strict=True))
    return Sheet(
        file=str(text.file),
        width=text.width,
        numbers=_NOTHING if numbers is None else numbers,
        number_columns=numbers_at,
        words=words,
        where=lambda row: f"{text.file}, line {line_of(text.file, text.dialect, row + heads, empty=empty)}",
        names=text.names,
        doubtful=text.doubtful,
        empty_lines=tuple(empty_lines),
        begins_empty=text.first.line > text.dialect.skipped_lines + 1,
    )


def _rows(text: TextFile, empty_lines: list[int] | None = None) -> Iterator[list[str]]:
    """The cells of every row; of an empty line an empty cell, where `empty_lines` collects them."""
    row = 0
    for record in records(text.file, text.dialect):
        if record.line < text.body_line:
            continue
        cells = record.cells
        if not cells:
            if empty_lines is None:
                continue
            empty_lines.append(row)
            cells = [""]
        else:
            text.check_width(record)
        row += 1
        yield cells


def _numbers(text: TextFile, places: tuple[int, ...], dtype: type) -> NDArray[Any] | None:
    """The columns as numpy reads them, (rows, columns); None where something is no number, or a line is of its own."""
    dialect = text.dialect
    source: Path | Iterable[str] = text.file
    if dialect.attributes or dialect.decimal_comma:
        plain = (dialect.without_attributes(line)[0] for line in read_lines(text.file))
        source = (line.replace(",", ".") for line in plain) if dialect.decimal_comma else plain
    numbers: NDArray[Any]
    try:
        with warnings.catch_warnings(action="ignore"):  # that it is empty is said later
            numbers = np.loadtxt(
                source,
                dtype,
                comments=None,
                delimiter=dialect.separator or None,
                ndmin=2,
                encoding="utf-8-sig",
                skiprows=text.body_line - 1,
                usecols=None if places == tuple(range(text.width)) else places,
            )
    except (ValueError, OverflowError, EOFError, OSError, zlib.error):  # of a damaged .gz: reading words says so
        return None
    return numbers.reshape(-1, len(places))


def _are_even(text: TextFile) -> bool:
    """True where separators show that every row is empty or has all columns: 20 times faster than to look at cells."""
    if not text.dialect.separator:
        return False
    for lines in _whole_lines(text.file, text.body_line):
        if b'"' in lines or b"\r" in lines.replace(b"\r\n", b"\n"):
            return False
        characters = np.frombuffer(lines, np.uint8)
        ends = np.flatnonzero(characters == ord("\n"))
        lengths = np.diff(ends, prepend=-1) - 1
        separators = np.flatnonzero(characters == ord(text.dialect.separator))
        counts = np.diff(np.searchsorted(separators, ends), prepend=0)
        if (counts[lengths > 1] != text.width - 1).any() or (counts[lengths <= 1] > 0).any():
            return False
    return True


def _whole_lines(file: Path, first_line: int) -> Iterator[bytes]:
    """Yield pieces of a file that end where lines end."""
    with open_bytes(file) as stream:
        for _ in range(first_line - 1):
            stream.readline()
        while piece := stream.read(_CHUNK_BYTES):
            whole = piece + stream.readline()
            yield whole if whole.endswith(b"\n") else whole + b"\n"
