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

    def dense(self) -> NDArray[Any]:
        """The whole matrix; entries at one place are added up."""
        whole = np.zeros(self.shape, self.values.dtype if self.values.dtype.kind in "fc" else np.float32)
        np.add.at(whole, (self.row, self.column), self.values)
        return whole


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
            return entry.dense()
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


def described(name: str, entry: Entry) -> str:
    """A name, and what it is of where that is not plain."""
    return f"{plain_name(name)} ({entry.kind})" if isinstance(entry, Odd) else plain_name(name)
