"""Node ids, checked."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from picluster.errors import DataError
from picluster.graph.own.table import Table

_NUMBERED = "number the nodes from 0 to N - 1, and give a row of features for each"
_CHUNK_ROWS = 1 << 21


def check_ids(table: Table, ids: NDArray[Any], nodes: int, *, once: bool = False) -> None:
    """DataError names the first row of `ids` (rows, columns) with an id out of range, or there before with `once`."""
    for start in range(0, len(ids), _CHUNK_ROWS):
        chunk = ids[start : start + _CHUNK_ROWS]
        if not 0 <= chunk.min() <= chunk.max() < nodes:
            row, column = np.argwhere((chunk < 0) | (chunk >= nodes))[0]
            what = f"there is no node {chunk[row, column]}: the features are of {nodes:,}, from 0 to {nodes - 1}"
            raise DataError(f"{table.where(start + int(row))}: {what}", fix=_NUMBERED)
    if once and len(first := np.unique(ids, return_index=True)[1]) < len(ids):
        row = int(np.setdiff1d(np.arange(len(ids)), first)[0])
        raise DataError(f"{table.where(row)}: node {ids[row, 0]} was there before", fix="give each node one row")


def ids_and_values(table: Table, nodes: int) -> tuple[NDArray[np.int64], NDArray[Any]]:
    """(M,) node ids and (M,) values of a table that has the values alone, or the ids before them."""
    rows, columns = table.rows.shape
    if columns == 1:
        if rows != nodes:
            what = f"{table.where(0)} and on: {rows:,} rows, but the features are of {nodes:,} nodes"
            fix = "give one row for each node, or two columns: node, value; the head of one column is label or split"
            raise DataError(what, fix=fix)
        return np.arange(nodes), table.rows[:, 0]
    if columns != 2:  # noqa: PLR2004
        raise DataError(f"{table.where(0)} has {columns} columns", fix="give one, or two: node, value")
    try:
        ids = table.rows[:, 0].astype(np.int64)
    except (ValueError, OverflowError):
        row = next(row for row, word in enumerate(table.rows[:, 0]) if not str(word).strip("+-").isdecimal())
        raise DataError(f"{table.where(row)}: {str(table.rows[row, 0])!r} is not a node id", fix=_NUMBERED) from None
    check_ids(table, ids[:, None], nodes, once=True)
    return ids, table.rows[:, 1]
