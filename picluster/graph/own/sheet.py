"""A file's columns, before anybody has decided which of them are ids, labels or features."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from picluster.graph.own.words import WordColumn, is_number, is_truth, number_of

Column = NDArray[Any] | WordColumn


@dataclass(frozen=True, kw_only=True)
class Sheet:
    """Columns of numbers in one array, and columns of words beside it."""

    file: str
    """For messages."""
    width: int
    """The number of columns in the file; some of them may have been left out."""
    numbers: NDArray[Any]
    """(rows, columns of numbers)."""
    number_columns: tuple[int, ...]
    """The place of each column of `numbers` in the file, from 0."""
    words: Mapping[int, WordColumn] = field(default_factory=dict)
    """Columns of words by their places."""
    where: Callable[[int], str]
    """Such as `edges.csv, line 5`, of a row from 0."""
    skip: Callable[[int], str] = lambda place: f"--skip {place + 1}"
    """The option to type to leave out a column, by its place."""
    names: tuple[str, ...] = ()
    """The head, where there is surely one."""
    doubtful: tuple[str, ...] = ()
    """The cells of row 0, where they may be a head."""
    empty_lines: tuple[int, ...] = ()
    """Rows of a single column that are empty lines, the last ones included."""
    begins_empty: bool = False
    """There are empty lines before the first row."""
    notes: tuple[str, ...] = ()
    """Sentences: how the file was read."""

    @property
    def rows(self) -> int:
        """Rows, a doubtful head among them."""
        return len(next(iter(self.words.values()))) if self.words else len(self.numbers)

    @property
    def columns(self) -> tuple[int, ...]:
        """The places of all columns that are left."""
        return tuple(sorted((*self.number_columns, *self.words)))

    def column(self, place: int) -> Column:
        """The column at a place of the file."""
        return self.words[place] if place in self.words else self.numbers[:, self.number_columns.index(place)]

    def name(self, place: int) -> str:
        """The name of a column for messages, such as `column 3 (weight)`."""
        named = self.names[place] if place < len(self.names) else ""
        return f"column {place + 1} ({named})" if named else f"column {place + 1}"

    def head_is(self, *, names: bool) -> "Sheet":
        """The sheet once it is decided what row 0 is: the names of the columns, or a row."""
        if not names:
            return replace(self, doubtful=())
        where = self.where
        return replace(
            self,
            names=self.doubtful,
            doubtful=(),
            numbers=self.numbers[1:],
            words={place: column.rows_from(1) for place, column in self.words.items()},
            where=lambda row: where(row + 1),
            empty_lines=tuple(row - 1 for row in self.empty_lines if row),
        )

    def with_numbers(self) -> "Sheet":
        """The sheet with every column of words that are all numbers among the numbers, in the order of the file."""
        numeric = {
            place: column
            for place, column in self.words.items()
            if all(is_number(w) or is_truth(w) for w in column.distinct)
        }
        if not numeric:
            return self
        columns = {place: self.numbers[:, number] for number, place in enumerate(self.number_columns)}
        for place, column in numeric.items():
            columns[place] = np.array([number_of(word) for word in column.distinct])[column.codes]
        places = tuple(sorted(columns))
        numbers = np.column_stack([columns[place] for place in places])
        words = {place: column for place, column in self.words.items() if place not in numeric}
        return replace(self, numbers=numbers, number_columns=places, words=words)

    def without(self, places: tuple[int, ...]) -> "Sheet":
        """The sheet without some columns."""
        kept = [place for place in self.number_columns if place not in places]
        numbers = self.numbers
        if len(kept) < len(self.number_columns):
            numbers = np.ascontiguousarray(numbers[:, [self.number_columns.index(place) for place in kept]])
        words = {place: column for place, column in self.words.items() if place not in places}
        return replace(self, numbers=numbers, number_columns=tuple(kept), words=words)
