"""Edges of a file that holds a whole graph, as ends or as a matrix, and what else it says of each edge."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from picluster.errors import DataError
from picluster.graph.own.own_graph import Table
from picluster.graph.own.whole.entries import Entries, Entry, Matrix, Odd, WordList, plain_name, skip_option

_ENDS = 2
_TARGETS_FIRST = ("adj_t", "edge_index")
"""A matrix of these names has a row for each target, as PyG stores it."""
_NEVER_SQUARE = ("edge_index", "edges", "edge_list", "edgelist")
_WEIGHT = "weight"
_WEIGHTS = ("weight", "weights", "w", "e_weight", "e_attr")
_ABOUT_PAIRS = ("edge_label", "edge_label_index")
"""These are of pairs of nodes to be judged, not of the graph's edges."""
_EXACT_FLOAT32 = 1 << 24


def values_names(entries: Entries) -> set[str]:
    """Names that the values of a matrix can be called by after --skip."""
    return {_WEIGHT, *entries.values}


def given_edges(entries: Entries, name: str, *, skips_values: bool) -> Table:
    """(E, 2) source and target of every edge. DataError where they are unclear, or have weights and no skip."""
    entry = entries.by_name[name]
    if isinstance(entry, np.ndarray) and is_square(entry) and name not in _NEVER_SQUARE:
        row, column = np.nonzero(entry)
        entry = Matrix(row, column, entry[row, column], (len(entry), len(entry)))
    if isinstance(entry, Matrix):
        return _of_matrix(entries, name, entry, skips_values=skips_values)
    return _of_ends(entries, name)


def is_square(entry: Entry) -> bool:
    """True where an array is a matrix of nodes by nodes, not a table of edges."""
    return isinstance(entry, np.ndarray) and entry.ndim == _ENDS and entry.shape[0] == entry.shape[1] > _ENDS + 1


def _of_matrix(entries: Entries, name: str, matrix: Matrix, *, skips_values: bool) -> Table:
    there = matrix.values != 0
    if not there.any():
        raise _no_edges(entries, name)
    values = matrix.values[there]
    if (values != 1).any() and not skips_values:
        option = next((part for part, owner in entries.values.items() if owner == name), _WEIGHT)
        what = f"{name} of {entries.file} gives edges weights, such as {values[values != 1][0]:g}; edges have none here"
        raise DataError(what, fix=f"leave the weights out on purpose: {skip_option(option)}")
    ends = matrix.row[there], matrix.column[there]
    rows = np.column_stack(ends[::-1] if name in _TARGETS_FIRST else ends)
    return Table(rows=rows, where=lambda edge: f"{name} of {entries.file}, entry {edge} (from 0)")


def _of_ends(entries: Entries, name: str) -> Table:
    array = entries.array(name)
    if array.ndim != _ENDS or _ENDS not in array.shape:
        owned = f"{entries.owner}{name}"
        fix = f"give it two rows, sources and targets: {owned} = {owned}[:2]"
        if array.ndim == _ENDS and array.shape[1] < array.shape[0]:
            fix = f"give it two columns, sources and targets: {owned} = {owned}[:, :2]"
        if array.ndim != _ENDS:
            fix = "give it two rows, sources and targets"
        what = f"{name} of {entries.file} has the shape {array.shape}, not (2, E)"
        raise DataError(what, fix=f"{fix} (edges have no weights here)")
    if not array.size:
        raise _no_edges(entries, name)
    is_pyg = array.shape[0] == _ENDS and (array.shape[1] != _ENDS or name == "edge_index")
    rows = whole(array.T if is_pyg else array, f"{name} of {entries.file}")
    place = "column" if is_pyg else "row"
    return Table(rows=rows, where=lambda edge: f"{name} of {entries.file}, {place} {edge} (from 0)")


def _no_edges(entries: Entries, name: str) -> DataError:
    return DataError(f"{name} of {entries.file} holds no edge", fix="a graph needs at least one")


def whole(rows: NDArray[Any], what: str) -> NDArray[Any]:
    """(E, 2) as integers. `what`: such as `edge_index of graph.pt`. DataError names the first that is not whole."""
    if rows.dtype.kind in "iu":
        return rows
    if rows.dtype.kind != "f":
        fix = "make them whole numbers, such as int64"
        raise DataError(f"{what} holds {rows.dtype.name}, where node ids are expected", fix=fix)
    largest = _EXACT_FLOAT32 if rows.dtype.itemsize < 8 else 1 << 53  # noqa: PLR2004 - bytes of float64
    wrong = ~(np.isfinite(rows) & (rows == np.rint(rows)) & (abs(rows) < largest))
    if wrong.any():
        edge, end = (int(place) for place in np.argwhere(wrong)[0])
        told = f"{what}, edge {edge} (from 0): {rows[edge, end]} is not a node's number"
        raise DataError(told, fix="save node ids as whole numbers")
    return rows.astype(np.int64)


def find_edge_data(entries: Entries, edges: int) -> list[str]:
    """The entries that say of each edge that it counts as one. DataError where one says anything else."""
    found = {name: entry for name, entry in entries.by_name.items() if _is_of_edges(name, entry, edges)}
    if telling := [name for name, entry in found.items() if not _are_ones(entry)]:
        names = [plain_name(name) for name in telling]
        what = f"{entries.file} says more of each edge than its ends: {', '.join(names)}; edges have no weights here"
        raise DataError(what, fix=f"leave it out on purpose: {' '.join(map(skip_option, telling))}")
    return list(found)


def _are_ones(entry: Entry) -> bool:
    return isinstance(entry, np.ndarray) and entry.dtype.kind in "iufb" and bool((entry == 1).all())


def _is_of_edges(name: str, entry: Entry, edges: int) -> bool:
    plain = name.lower()
    if plain in _ABOUT_PAIRS or not (plain.startswith("edge") or plain in _WEIGHTS):
        return False
    if isinstance(entry, Odd):
        return not entry.is_single
    rows = len(entry.words) if isinstance(entry, WordList) else entry.shape[0] if entry.shape else 0
    return rows == edges and not (isinstance(entry, np.ndarray) and not entry.size)
