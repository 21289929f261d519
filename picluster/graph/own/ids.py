"""Node numbers, checked."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from picluster.errors import DataError
from picluster.graph.own.node_ids import numbered
from picluster.graph.own.table import Table
from picluster.graph.own.words import to_words

_NUMBERED = "number the nodes from 0 to N - 1, and give a row of features for each; or give features a column of ids"
_FROM_ONE = "nodes are numbered from 0: subtract 1 from every id, or give features a column of ids from 1 on"
_CHUNK_ROWS = 1 << 21


def check_ids(table: Table, ids: NDArray[Any], nodes: int, *, once: bool = False) -> None:
    """DataError names the first row of `ids` (rows, columns) with an id out of range, or there before with `once`."""
    for start in range(0, len(ids), _CHUNK_ROWS):
        chunk = ids[start : start + _CHUNK_ROWS]
        if not 0 <= chunk.min() <= chunk.max() < nodes:
            row, column = np.argwhere((chunk < 0) | (chunk >= nodes))[0]
            what = f"there is no node {chunk[row, column]}: the features are of {nodes:,}, from 0 to {nodes - 1}"
            from_one = ids.min() == 1 and ids.max() == nodes
            hint = f"; 0 never occurs, and {nodes} does: ids seem to begin with 1" if from_one else ""
            raise DataError(f"{table.where(start + int(row))}: {what}{hint}", fix=_FROM_ONE if from_one else _NUMBERED)
    if once and len(first := np.unique(ids, return_index=True)[1]) < len(ids):
        row = int(np.setdiff1d(np.arange(len(ids)), first)[0])
        raise DataError(f"{table.where(row)}: node {ids[row, 0]} was there before", fix="give each node one row")


def nodes_of(table: Table, nodes: int) -> tuple[NDArray[np.int64], NDArray[Any]]:
    """(M,) node numbers and (M,) values of a table that has the values alone, or the node of each.

    An array may have the nodes' numbers in its first column. DataError where something does not fit.
    """
    rows, columns = table.rows.shape
    if table.nodes is not None:
        check_ids(table, table.nodes[:, None], nodes, once=True)
        return table.nodes, table.rows[:, 0]
    if columns == 1:
        if rows != nodes:
            what = f"{table.where(0)} and on: {rows:,} rows, but the features are of {nodes:,} nodes"
            raise DataError(what, fix="give one row for each node, or two columns: node, value")
        return np.arange(nodes), table.rows[:, 0]
    if columns != 2:  # noqa: PLR2004
        raise DataError(f"{table.where(0)} has {columns} columns", fix="give one, or two: node, value")
    first = table.rows[:, 0]
    ids = numbered(nodes, "features").numbers(
        to_words(map(str, first)) if first.dtype.kind in "US" else first, table.where
    )
    check_ids(table, ids[:, None], nodes, once=True)
    return ids, table.rows[:, 1]
