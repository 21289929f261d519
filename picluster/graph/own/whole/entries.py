"""Entries of a file by name, before it is decided which of them make the graph."""

import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from picluster.errors import DataError, InputError

_SHOWN = 12
_LETTERS = 40


@dataclass(frozen=True)
class Matrix:
    """A sparse matrix: its entries one by one, in any order."""

    row: NDArray[Any]
    """(entries,)."""
    column: NDArray[Any]
    """(entries,)."""
    values: NDArray[Any]
    """(entries,)."""
    shape: tuple[int, int]


@dataclass(frozen=True)
class WordList:
    """A list of words, such as names of classes."""

    words: tuple[str, ...]


class Odd(NamedTuple):
    """An entry that is neither numbers nor a list of words."""

    kind: str
    """The kind in words, such as `a list`."""
    is_single: bool = False
    """A single thing, which cannot say something of every node or edge."""


Entry = NDArray[Any] | Matrix | WordList | Odd


@dataclass(frozen=True, kw_only=True)
class Entries:
    """The entries of a file by their names."""

    file: Path
    by_name: Mapping[str, Entry]
    owner: str = ""
    """The beginning of a name in Python, such as `data.`."""
    values: Mapping[str, str] = field(default_factory=dict)
    """The matrix of each array that has the values of one."""

    def without(self, names: Iterable[str]) -> "Entries":
        """The other entries. InputError where there is none of such a name."""
        names = tuple(names)
        for name in names:
            if name not in self.by_name:
                what = f"{self.file} has no entry {plain_name(name)!r} that could be skipped"
                raise InputError(what, fix=f"it holds {self.listed()}")
        return replace(self, by_name={name: entry for name, entry in self.by_name.items() if name not in names})

    def listed(self) -> str:
        """The names of the first entries, for messages."""
        names = [plain_name(name) for name in self.by_name]
        return ", ".join(names[:_SHOWN]) + (" …" if len(names) > _SHOWN else "") if names else "nothing"

    def array(self, name: str) -> NDArray[Any]:
        """An entry as an array, words as Python objects. DataError where it is none."""
        entry = self.by_name[name]
        if isinstance(entry, Matrix):
            whole = np.zeros(entry.shape, entry.values.dtype if entry.values.dtype.kind in "fc" else np.float32)
            np.add.at(whole, (entry.row, entry.column), entry.values)  # entries at one place are added up
            return whole
        if isinstance(entry, WordList):
            return np.array(entry.words, object)
        if isinstance(entry, Odd):
            what = f"{plain_name(name)} of {self.file} is {entry.kind}, not an array of numbers"
            raise DataError(what, fix="save it as one")
        return entry


def plain_name(name: str) -> str:
    """A name as it can stand in a message."""
    clean = "".join(letter if letter.isprintable() else "?" for letter in name)
    return clean if len(clean) <= _LETTERS else f"{clean[: _LETTERS - 1]}…"


def skip_option(name: str) -> str:
    """The option to type to leave an entry out."""
    return f"--skip {shlex.quote(name)}" if name.isprintable() else "save the file without it"


def from_compressed(data: Any, indices: Any, indptr: Any, shape: Any, *, by_column: bool = False) -> Matrix | None:
    """A matrix in compressed rows (CSR), or columns (CSC); None where its parts do not fit together."""
    indptr, size = np.asarray(indptr), _size(shape)
    if size is None or indptr.shape != (size[by_column] + 1,) or not _are_one_long(data, indices):
        return None
    counts = np.diff(indptr)
    if indptr[0] != 0 or indptr[-1] != len(indices) or (counts < 0).any():
        return None
    lines = np.repeat(np.arange(len(counts)), counts)
    row, column = (indices, lines) if by_column else (lines, indices)
    return from_entries(data, row, column, size)


def from_entries(data: Any, row: Any, column: Any, shape: Any) -> Matrix | None:
    """A matrix entry by entry (COO); None where its parts do not fit together."""
    size = _size(shape)
    if size is None or not _are_one_long(data, row, column):
        return None
    for ids, limit in zip((row, column), size, strict=True):
        if ids.dtype.kind not in "iu" or (len(ids) and not 0 <= ids.min() <= ids.max() < limit):
            return None
    return Matrix(row, column, data, size)


def _size(shape: Any) -> tuple[int, int] | None:
    try:
        rows, columns = (int(length) for length in shape)
    except (TypeError, ValueError):
        return None
    return rows, columns


def _are_one_long(*parts: Any) -> bool:
    arrays = [isinstance(part, np.ndarray) and part.ndim == 1 for part in parts]
    return all(arrays) and len({len(part) for part in parts}) == 1
