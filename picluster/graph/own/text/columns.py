"""The columns of a text file, read whole: numbers by numpy's parser, words each distinct one once."""

import warnings
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from picluster.graph.own.sheet import Sheet
from picluster.graph.own.text.layout import Layout, another_width, number_in
from picluster.graph.own.text.records import Peek, TextRecord, line_of, records
from picluster.graph.own.text.source import read_lines
from picluster.graph.own.text.widths import are_even
from picluster.graph.own.words import columns_of_words, is_number

_NOTHING: NDArray[Any] = np.empty((0, 0))
_MOST_COLUMNS_OF_WORDS = 8
"""So many columns may turn out to hold words beyond the first lines, before the first of them is refused."""


def read_ids(peek: Peek, layout: Layout, places: tuple[int, ...], *, as_words: bool = False) -> Sheet:
    """The columns at `places`: int64 where all of them are whole numbers in plain digits, else words."""
    numbers = None if as_words else _numbers(peek, layout, places, np.int64)
    if numbers is None:
        return _sheet(peek, layout, words_at=places)
    return _sheet(peek, layout, numbers=numbers, numbers_at=places)


def read_numbers(peek: Peek, layout: Layout, words_at: frozenset[int], left_out: frozenset[int]) -> Sheet:
    """All columns but those left out: float64, and words at `words_at` and wherever there is a cell of another kind."""
    while True:
        places = tuple(place for place in range(layout.width) if place not in words_at | left_out | layout.empty)
        numbers = _numbers(peek, layout, places, np.float64) if places else _NOTHING
        if numbers is not None:
            break
        stranger = _first_stranger(peek, layout, places)
        if stranger is None:
            numbers = _slow_numbers(peek, layout, places)
            break
        words_at |= {stranger}
        if len(words_at) > _MOST_COLUMNS_OF_WORDS:
            words_at |= frozenset(places)
    return _sheet(peek, layout, numbers=numbers, numbers_at=places, words_at=tuple(sorted(words_at)))


def read_words(peek: Peek, layout: Layout, left_out: frozenset[int]) -> Sheet:
    """All columns but those left out, as words. Empty lines count as rows where there is a single column."""
    places = tuple(place for place in range(layout.width) if place not in left_out | layout.empty)
    return _sheet(peek, layout, words_at=places)


def _sheet(
    peek: Peek,
    layout: Layout,
    *,
    numbers: NDArray[Any] | None = None,
    numbers_at: tuple[int, ...] = (),
    words_at: tuple[int, ...] = (),
) -> Sheet:
    """The sheet; columns of words are read, and the width of every line is checked with them."""
    empty = numbers is None and layout.width == 1
    heads = int(bool(layout.names) and not layout.comment_names)
    empty_lines: list[int] = []
    words = {}
    # Where columns are left out, numpy does not look at them, nor how many there are.
    unseen = len(numbers_at) < layout.width
    if words_at or (unseen and not are_even(peek.file, peek.dialect.separator, layout.width, layout.body_line)):
        rows = ([row[place] for place in words_at] for row in _rows(peek, layout, empty_lines if empty else None))
        words = dict(zip(words_at, columns_of_words(rows, len(words_at)), strict=True))
    return Sheet(
        file=str(peek.file),
        width=layout.width,
        numbers=_NOTHING if numbers is None else numbers,
        number_columns=numbers_at,
        words=words,
        where=lambda row: f"{peek.file}, line {line_of(peek.file, peek.dialect, row + heads, empty=empty)}",
        names=layout.names,
        doubtful=tuple(peek.first.cells) if layout.doubtful else (),
        empty_lines=tuple(empty_lines),
        begins_empty=peek.first.line > peek.dialect.skipped_lines + 1,
    )


def _rows(peek: Peek, layout: Layout, empty_lines: list[int] | None = None) -> Iterator[list[str]]:
    """The cells of every row; of an empty line an empty cell, where `empty_lines` collects them."""
    row = 0
    for record in _body(peek, layout):
        cells = record.cells
        if not cells:
            if empty_lines is None:
                continue
            empty_lines.append(row)
            cells = [""]
        elif len(cells) != layout.width:
            raise another_width(peek, record, layout.width)
        row += 1
        yield cells


def _body(peek: Peek, layout: Layout) -> Iterator[TextRecord]:
    return (record for record in records(peek.file, peek.dialect) if record.line >= layout.body_line)


def _numbers(peek: Peek, layout: Layout, places: tuple[int, ...], dtype: type) -> NDArray[Any] | None:
    """The columns as numpy reads them, (rows, columns); None where something is no number, or a line is of its own."""
    dialect = peek.dialect
    source: Path | Iterable[str] = peek.file
    skipped = layout.body_line - 1
    if dialect.attributes or dialect.decimal_comma:
        source, skipped = _plain_lines(peek, skipped), 0
    numbers: NDArray[Any]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that it is empty is said later
            numbers = np.loadtxt(
                source,
                dtype,
                comments=None,
                delimiter=dialect.separator or None,
                ndmin=2,
                encoding="utf-8-sig",
                skiprows=skipped,
                usecols=None if places == tuple(range(layout.width)) else places,
            )
    except (ValueError, OverflowError):
        return None
    return numbers.reshape(-1, len(places))


def _plain_lines(peek: Peek, skipped: int) -> Iterator[str]:
    """The lines without attributes, with decimal points."""
    for number, line in enumerate(read_lines(peek.file), 1):
        if number > skipped:
            plain = peek.dialect.without_attributes(line)[0]
            yield plain.replace(",", ".") if peek.dialect.decimal_comma else plain


def _first_stranger(peek: Peek, layout: Layout, places: tuple[int, ...]) -> int | None:
    """The place of the first cell that is no number."""
    for cells in _rows(peek, layout):
        for place in places:
            if not is_number(number_in(peek, cells[place])):
                return place
    return None


def _slow_numbers(peek: Peek, layout: Layout, places: tuple[int, ...]) -> NDArray[Any]:
    """The columns of a file with quotes, comments or blanks that numpy does not pass over."""
    rows = (",".join(number_in(peek, cells[place]) for place in places) for cells in _rows(peek, layout))
    return np.loadtxt(rows, np.float64, comments=None, delimiter=",", ndmin=2)
