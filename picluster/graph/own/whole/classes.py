"""Labels of a file that holds a whole graph: numbers, words, or a column for each class."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from picluster.errors import DataError
from picluster.graph.own.table import Table
from picluster.graph.own.whole.entries import Entries

_TABLE = 2


class NodeLabels(NamedTuple):
    """The label of every node."""

    table: Table
    """(N, 1) whole numbers, -1 where there is none; or words."""
    known: int
    """One more than the largest label; 0 for words."""
    notes: tuple[str, ...] = ()


def read_classes(entries: Entries, name: str, nodes: int) -> NodeLabels:
    """The labels of an entry. DataError where they are not one class for each node."""
    array, place = entries.array(name), f"{name} of {entries.file}"
    if array.ndim == _TABLE and 1 in array.shape and array.size == nodes:
        array = array.reshape(-1)
    notes: tuple[str, ...] = ()
    if array.ndim == _TABLE and len(array) == nodes:
        array = _from_columns(entries, name, array)
        notes = (f"{name}: a column for each class, of which one is 1: read as the number of the class",)
    if array.ndim != 1:
        raise DataError(f"{place} has the shape {array.shape}, not (N,)", fix="give one label for each node")
    if array.dtype.kind == "f":
        array = _from_floats(entries, name, array)
    if array.dtype.kind not in "iubOU":
        raise DataError(f"{place} holds {array.dtype.name}, where classes are expected", fix="number them from 0")
    array = array.astype(np.int64) if array.dtype.kind == "b" else array
    count = int(array.max()) + 1 if array.dtype.kind in "iu" and array.size else 0
    return NodeLabels(Table(rows=array[:, None], where=lambda row: f"{place}, row {row} (from 0)"), count, notes)


def _from_columns(entries: Entries, name: str, array: NDArray[Any]) -> NDArray[Any]:
    """(N,) the column with a 1, -1 where there is none. DataError for several in a row, or other values."""
    place = f"{name} of {entries.file}"
    if array.dtype.kind not in "iufb" or not np.isin(array, (0, 1)).all():
        what = f"{place} has the shape {array.shape}: several values for each node, not one class"
        raise DataError(what, fix="give one label for each node")
    counts = (array == 1).sum(axis=1)
    if (counts > 1).any():
        row = int(np.argmax(counts > 1))
        what = f"{place}, row {row} (from 0): {counts[row]} classes for one node; a node has one class here"
        owned = f"{entries.owner}{name}"
        raise DataError(what, fix=f"choose one of the {array.shape[1]} to be learnt: {owned} = {owned}[:, 0]")
    return np.where(counts == 1, (array == 1).argmax(axis=1), -1)


def _from_floats(entries: Entries, name: str, array: NDArray[Any]) -> NDArray[Any]:
    """Whole numbers, -1 for nan. DataError names the first that is neither."""
    unknown = np.isnan(array)
    wrong = ~unknown & ~(np.isfinite(array) & (array == np.rint(array)))
    if wrong.any():
        row = int(np.argmax(wrong))
        what = f"{name} of {entries.file}, row {row} (from 0): {array[row]} is a value, not a class"
        raise DataError(what, fix="number the classes from 0")
    return np.where(unknown, -1, array).astype(np.int64)
