"""Splits as a person gives them, checked: words, ids or masks."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from picluster.errors import DataError
from picluster.graph.folder import SPLITS
from picluster.graph.own.ids import check_ids, nodes_of
from picluster.graph.own.labels import label_words
from picluster.graph.own.table import Table
from picluster.graph.own.words import is_missing

_SPLIT_WORDS = {
    "train": "train",
    "validation": "validation",
    "val": "validation",
    "valid": "validation",
    "dev": "validation",
    "test": "test",
}
_IN_NONE = ("-1",)


def is_split(word: str) -> bool:
    """Whether a word is a split's name."""
    return word.lower() in _SPLIT_WORDS


def read_splits(
    given: Table | Mapping[str, NDArray[Any]], source: str, labels: NDArray[Any], missing: Sequence[str] = ()
) -> dict[str, NDArray[np.int32]]:
    """The node ids of `train`, `validation` and `test`, from words, ids or masks. `labels`: (N,).

    DataError where something does not fit, a node is in two, or is in one without a label, or none is to train.
    """
    splits = (
        _from_words(given, len(labels), missing)
        if isinstance(given, Table)
        else _from_arrays(given, source, len(labels))
    )
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


def _from_words(table: Table, nodes: int, missing: Sequence[str]) -> dict[str, NDArray[np.int32]]:
    ids, values = nodes_of(table, nodes)
    words = label_words(values)
    for place, word in enumerate(words.distinct):
        strange = word.lower() not in _SPLIT_WORDS and not is_missing(word, (*_IN_NONE, *missing))
        if strange and (row := words.first_row(place)) >= 0:
            fix = f"train, validation or test; nothing where a node is in none (or pass it over with --missing={word})"
            raise DataError(f"{table.where(row)}: {word!r} is no split", fix=fix)
    names = np.array([*(_SPLIT_WORDS.get(word.lower(), "") for word in words.distinct), ""])[words.codes]
    return {name: ids[names == name].astype(np.int32) for name in SPLITS}


def as_ids(array: NDArray[Any], nodes: int, *, is_mask: bool) -> NDArray[Any]:
    """The nodes of a mask (N,), whatever its type; anything else as it is: it may be ids.

    Zeros and ones are a mask where they are called one, or where a node would be named twice. `is_mask`: called one.
    """
    if array.shape != (nodes,) or array.dtype.kind not in "iufb":
        return array
    if array.dtype.kind != "b" and not np.isin(array, (0, 1)).all():
        return array
    is_twice = len(np.unique(array)) < nodes
    return np.flatnonzero(array) if is_mask or is_twice or array.dtype.kind == "b" else array


def _from_arrays(arrays: Mapping[str, NDArray[Any]], source: str, nodes: int) -> dict[str, NDArray[np.int32]]:
    splits = dict.fromkeys(SPLITS, np.zeros(0, np.int32))
    for given, array in arrays.items():
        name = _SPLIT_WORDS.get(given.lower().removesuffix("_mask"))
        if name is None:
            raise DataError(f"{source}: {given!r} is no split", fix="name the arrays train, validation and test")
        ids = as_ids(array, nodes, is_mask="mask" in given.lower())
        if ids.ndim != 1 or ids.dtype.kind not in "iu":
            what = f"{source}: {given} is {array.dtype.name}{array.shape}"
            raise DataError(what, fix=f"give node ids, or a mask of the {nodes:,} nodes")
        if len(ids):
            where = f"{source}, array {given}"
            table = Table(rows=ids[:, None], where=lambda row, where=where: f"{where}, row {row} (from 0)")  # type: ignore[misc]
            check_ids(table, table.rows, nodes, once=True)
        splits[name] = ids.astype(np.int32)
    return splits
