"""A file's columns, before it is decided which of them are ids, labels or features; and those to be left out."""

import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from picluster.errors import InputError
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
        """The name of a column for messages."""
        return column_name(self.names, place)

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


def column_name(names: Sequence[str], place: int) -> str:
    """The name of a column for messages, such as `column 3 (weight)`. `names`: as far as there are any."""
    named = names[place] if place < len(names) else ""
    return f"column {place + 1} ({named})" if named else f"column {place + 1}"


class FileColumns(NamedTuple):
    """The columns of one of the files, of which some may be left out: `--skip weight`, `--skip 3`, `--skip edges:3`."""

    width: int
    names: tuple[str, ...]
    """None where there is no head."""
    spare: bool = False
    """There are more columns than such a file has, so that some must be left out."""


def skipped_columns(words: Sequence[str], files: Mapping[str, FileColumns]) -> dict[str, frozenset[int]]:
    """The places that each file leaves out. InputError where a word is no column, or a column of several files."""
    found: dict[str, set[int]] = {role: set() for role in files}
    for word in words:
        role, colon, column = word.partition(":")
        among = {role: files[role]} if colon and role in files else files
        name = column if colon and role in files else word
        places = {of: place for of, columns in among.items() if (place := _place(name, columns)) is not None}
        if not places:
            told = [
                f"{of} has {', '.join(names) or f'columns 1 to {width}'}" for of, (width, names, _) in files.items()
            ]
            raise InputError(f"--skip {word}: there is no such column", fix="; ".join(told))
        if len(places) > 1 and len(needed := [of for of in places if files[of].spare]) == 1:
            places = {of: place for of, place in places.items() if of in needed}
        if len(places) > 1:
            fix = " or ".join(f"--skip {of}:{name}" for of in places)
            raise InputError(f"--skip {word}: {' and '.join(places)} have such a column", fix=f"say which: {fix}")
        for of, place in places.items():
            found[of].add(place)
    return {role: frozenset(places) for role, places in found.items()}


def skip_notes(skipped: Mapping[str, frozenset[int]], files: Mapping[str, FileColumns]) -> list[str]:
    """Sentences on the columns that are left out."""
    return [
        f"{role}: {column_name(files[role].names, place)} is left out"
        for role, places in skipped.items()
        for place in sorted(places)
    ]


def skip_option(role: str, place: int, files: Mapping[str, FileColumns]) -> str:
    """The option to type to leave out a column."""
    names = files[role].names
    named = names[place] if place < len(names) else ""
    word = named if names.count(named) == 1 and named else str(place + 1)
    others = not files[role].spare and any(
        _place(word, columns) is not None for of, columns in files.items() if of != role
    )
    return f"--skip {shlex.quote(f'{role}:{word}' if others else word)}"


def _place(name: str, columns: FileColumns) -> int | None:
    if columns.names.count(name) == 1:
        return columns.names.index(name)
    number = int(name) if name.isascii() and name.isdecimal() else 0
    return number - 1 if 0 < number <= columns.width else None
