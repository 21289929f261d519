"""What a person says of single nodes, checked: ids, labels, splits."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from picluster.errors import DataError
from picluster.graph.folder import SPLITS
from picluster.graph.table_file import Table

_SPLIT_WORDS = {
    "train": "train",
    "validation": "validation",
    "val": "validation",
    "valid": "validation",
    "test": "test",
}
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


def read_labels(table: Table, nodes: int) -> tuple[NDArray[Any], list[str]]:
    """The label of every node (N,), -1 where there is none, and the names of the classes where labels are words.

    Words are numbered in their sorted order. DataError where something does not fit.
    """
    ids, words = _ids_and_values(table, nodes)
    names: list[str] = []
    try:
        values = words.astype(np.int64)
    except ValueError:
        known, values = np.unique(words, return_inverse=True)
        names = [str(word) for word in known]
    except OverflowError:
        raise DataError(f"{table.where(0)} and on: labels are larger than any class", fix="number from 0") from None
    for wrong, why in ((values < -1, "labels run from 0, -1 is unlabelled"), (values >= nodes, "more than nodes")):
        if wrong.any():
            row = int(np.argmax(wrong))
            raise DataError(f"{table.where(row)}: label {values[row]}: {why}", fix="number the classes from 0")
    if values.max() < 0:
        raise DataError(f"{table.where(0)} and on: no node has a label", fix="label those that are to train")
    labels = np.full(nodes, -1, np.int16 if values.max() < 1 << 15 else np.int32)
    labels[ids] = values
    return labels, names


def read_splits(
    given: Table | Mapping[str, NDArray[Any]], source: str, labels: NDArray[Any]
) -> dict[str, NDArray[np.int32]]:
    """The node ids of `train`, `validation` and `test`, from words, ids or masks. `labels`: (N,).

    DataError where something does not fit, a node is in two, or is in one without a label, or none is to train.
    """
    splits = _from_words(given, len(labels)) if isinstance(given, Table) else _from_arrays(given, source, len(labels))
    owner = np.full(len(labels), -1, np.int8)
    for number, name in enumerate(SPLITS):
        ids = splits[name]
        if (owner[ids] >= 0).any():
            node = ids[np.argmax(owner[ids] >= 0)]
            what = f"{source}: node {node} is in {SPLITS[owner[node]]} and in {name}"
            raise DataError(what, fix="a node belongs to one split at most")
        if (labels[ids] < 0).any():
            what = f"{source}: node {ids[np.argmax(labels[ids] < 0)]} is in {name}, but has no label"
            raise DataError(what, fix="take it out of the split, or label it")
        owner[ids] = number
    if not len(splits["train"]):
        raise DataError(f"{source}: no node is in train", fix="put some there")
    return splits


def _from_words(table: Table, nodes: int) -> dict[str, NDArray[np.int32]]:
    ids, words = _ids_and_values(table, nodes)
    known, number = np.unique(words, return_inverse=True)
    for place, word in enumerate(known):
        if word and word.lower() not in _SPLIT_WORDS:  # nothing: in no split
            row = int(np.argmax(number == place))
            raise DataError(f"{table.where(row)}: {str(word)!r} is no split", fix="train, validation or test")
    names = np.array([_SPLIT_WORDS.get(word.lower(), "") for word in known])[number]
    return {name: ids[names == name].astype(np.int32) for name in SPLITS}


def _from_arrays(arrays: Mapping[str, NDArray[Any]], source: str, nodes: int) -> dict[str, NDArray[np.int32]]:
    splits = dict.fromkeys(SPLITS, np.zeros(0, np.int32))
    for given, array in arrays.items():
        name = _SPLIT_WORDS.get(given.lower().removesuffix("_mask"))
        if name is None:
            raise DataError(f"{source}: {given!r} is no split", fix="name the arrays train, validation and test")
        if array.ndim != 1 or array.dtype.kind not in "iub" or (array.dtype.kind == "b" and len(array) != nodes):
            what = f"{source}: {given} is {array.dtype.name}{array.shape}"
            raise DataError(what, fix=f"give node ids, or a mask of the {nodes:,} nodes")
        ids = np.flatnonzero(array) if array.dtype.kind == "b" else array
        if len(ids):
            where = f"{source}, array {given}"
            table = Table(rows=ids[:, None], where=lambda row, where=where: f"{where}, row {row} (from 0)")  # type: ignore[misc]
            check_ids(table, table.rows, nodes, once=True)
        splits[name] = ids.astype(np.int32)
    return splits


def _ids_and_values(table: Table, nodes: int) -> tuple[NDArray[np.int64], NDArray[Any]]:
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
