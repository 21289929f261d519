"""One part of a graph in a file of arrays, where the others are in files of their own: edges, features or labels."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from picluster.errors import DataError
from picluster.graph.own.arrays import read_arrays
from picluster.graph.own.table import Kind, Table, as_table
from picluster.graph.own.whole.archive import entries_in
from picluster.graph.own.whole.edges import find_edge_data, given_edges, is_square, values_names
from picluster.graph.own.whole.entries import Entries, Matrix, WordList
from picluster.graph.own.whole.meaning import EDGES, FEATURES, LABELS, chosen

_NAMES = {"edges": EDGES, "features": FEATURES, "labels": LABELS}
_ROWS = (2, 3)
"""So many rows are the ends of edges, and a weight: the other way round than in a table."""


def part_in(role: str, file: Path, kind: Kind, skip: Sequence[str]) -> tuple[Table, frozenset[str]]:
    """The table of `edges` (perhaps with further columns), `features`, `labels` or `splits`; and what was left out.

    InputError where there is no such file; DataError where it does not hold the part, or edges have weights.
    """
    is_archive = file.suffix.lower() == ".npz"
    entries = entries_in(file) if is_archive else Entries(file=file, by_name={"array": read_arrays(file)[file.stem]})
    if role == "edges":
        return _edges(entries, skip)
    name = _name(entries, role)
    entry = entries.by_name[name]
    array = np.array(entry.words, np.str_) if isinstance(entry, WordList) else entries.array(name)
    return as_table(array, kind, str(file)), frozenset()


def _name(entries: Entries, role: str) -> str:
    """The only entry, or the one of the part's names."""
    if len(entries.by_name) == 1:
        return next(iter(entries.by_name))
    name = chosen(entries, (role, *_NAMES.get(role, ())), role)
    if name is None:
        raise DataError(f"{entries.file} holds {entries.listed()}, but not {role}", fix=f"name the array {role}")
    return name


def _edges(entries: Entries, skip: Sequence[str]) -> tuple[Table, frozenset[str]]:
    values = values_names(entries)
    left = entries.without(word for word in skip if word in entries.by_name)
    name = _name(left, "edges")
    entry = left.by_name[name]
    if isinstance(entry, Matrix) or is_square(entry):
        skipped = frozenset(word for word in skip if word in {*entries.by_name, *values})
        table = given_edges(left, name, skips_values=any(word in values for word in skip))
    else:
        skipped = frozenset(word for word in skip if word in entries.by_name)
        table = _columns(left, name)
    find_edge_data(left.without([name]), len(table.rows))
    return table, skipped


def _columns(entries: Entries, name: str) -> Table:
    """(E, columns) of an array with a row or a column for each edge."""
    table = as_table(entries.array(name), "numbers", str(entries.file))
    rows, width = table.rows.shape
    if rows in _ROWS and width not in _ROWS and entries.array(name).ndim > 1:
        return Table(rows=table.rows.T, where=lambda edge: f"{entries.file}, column {edge} (from 0)")
    if rows in _ROWS and width in _ROWS and rows != width and rows == _ROWS[0]:  # (2, 3), as PyG has it
        return Table(rows=table.rows.T, where=lambda edge: f"{entries.file}, column {edge} (from 0)")
    return table
