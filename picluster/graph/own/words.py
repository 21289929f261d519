"""Columns of words, each distinct word once; and which words are numbers, or mean that something is missing."""

import re
from collections import defaultdict
from collections.abc import Iterable
from itertools import count, islice
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

_CHUNK_ROWS = 10_000
_MISSING = frozenset(["", "nan", "-nan", "null", "none", "na", "n/a", "<na>", "#na", "#n/a", "?"])
_NUMBER = re.compile(
    r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?|[+-]?(nan|inf|infinity)", re.ASCII | re.IGNORECASE
)
_WHOLE = re.compile(r"[+-]?[0-9]+(\.0*)?", re.ASCII)
_FLOATED = re.compile(r"[+-]?[0-9]+(\.[0-9]*)?[eE][+-]?[0-9]+", re.ASCII)
_TRUTH = {"true": 1.0, "false": 0.0}
_LARGEST = 1 << 63


class WordColumn(NamedTuple):
    """A column of words: `distinct[codes[row]]` is the word of a row, and each of `distinct` stands in some row."""

    codes: NDArray[np.int32]
    """(rows,)."""
    distinct: tuple[str, ...]

    def __len__(self) -> int:
        """The number of rows."""
        return len(self.codes)

    def rows_from(self, start: int) -> "WordColumn":
        """The column without the rows before `start`."""
        used, codes = np.unique(self.codes[start:], return_inverse=True)
        return WordColumn(codes.astype(np.int32), tuple(self.distinct[place] for place in used))

    def array(self) -> NDArray[np.object_]:
        """(rows,) the words themselves."""
        return np.array([*self.distinct, ""], object)[self.codes]

    def first_row(self, *words: int) -> int:
        """The first row that has one of some words, by their places in `distinct`."""
        return int(np.argmax(np.isin(self.codes, words)))


def to_words(values: Iterable[str]) -> WordColumn:
    """The column of some words."""
    return columns_of_words(([value] for value in values), 1)[0]


def words_of(column: NDArray[Any]) -> WordColumn:
    """The values of an array as words, whatever they were: whole floats as 1, no number as nan."""
    if column.dtype.kind not in "fiub":
        return to_words(str(value).strip() for value in column.tolist())
    known, codes = np.unique(column, return_inverse=True)
    texts = [
        str(int(value)) if isinstance(value, float) and value.is_integer() else repr(value) for value in known.tolist()
    ]
    return WordColumn(codes.astype(np.int32), tuple(texts))


def columns_of_words(rows: Iterable[list[str]], width: int) -> list[WordColumn]:
    """The columns of rows that all have `width` words."""
    numbers = [defaultdict[str, int](count().__next__) for _ in range(width)]
    codes: list[list[NDArray[np.int32]]] = [[np.empty(0, np.int32)] for _ in range(width)]
    stream = iter(rows)
    while chunk := list(islice(stream, _CHUNK_ROWS)):
        for column, cells in enumerate(zip(*chunk, strict=True)):
            codes[column].append(np.fromiter(map(numbers[column].__getitem__, cells), np.int32, len(cells)))
    return [WordColumn(np.concatenate(parts), tuple(known)) for parts, known in zip(codes, numbers, strict=True)]


def is_missing(word: str, others: Iterable[str] = ()) -> bool:
    """True where a word says that there is no value: nan, null, None, NA, N/A, `?`, nothing, or one of `others`."""
    return word.casefold() in _MISSING or word in others


def is_number(word: str) -> bool:
    """True where a word is a decimal number, nan or inf, in ASCII. Python's own float() takes more: 1_000, ٣."""
    return _NUMBER.fullmatch(word) is not None


def is_truth(word: str) -> bool:
    """True where a word is True or False, as pandas writes indicators."""
    return word.casefold() in _TRUTH


def number_of(word: str) -> float:
    """The number that a word is, True and False being 1 and 0."""
    return float(word) if is_number(word) else _TRUTH[word.casefold()]


def whole_number(word: str) -> int | None:
    """The whole number that a word is, also as 3.0 or 3e2; None for anything else."""
    if _WHOLE.fullmatch(word):
        return int(word.partition(".")[0])
    if _FLOATED.fullmatch(word) and (value := float(word)).is_integer() and abs(value) < _LARGEST:
        return int(value)
    return None


def plain_number(word: str) -> int | None:
    """As `whole_number`, but None for 007 and 01: their digits are a name."""
    digits = word.partition(".")[0].lstrip("+-")
    return None if len(digits) > 1 and digits.startswith("0") else whole_number(word)
