"""Splits as a person gives them, checked: words, ids or masks; and those in a file that holds a whole graph."""

import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from picluster.errors import DataError, InputError
from picluster.graph.folder import SPLITS
from picluster.graph.own.node_ids import check_ids, nodes_of
from picluster.graph.own.own_graph import Table
from picluster.graph.own.whole.entries import Entries, skip_option
from picluster.graph.own.words import is_missing, words_of

_SPLIT_WORDS = {
    "train": "train",
    "validation": "validation",
    "val": "validation",
    "valid": "validation",
    "dev": "validation",
    "test": "test",
}
_IN_NONE = ("-1",)
_KIND = "masks?|idx|index|indices|ids?|nodes"
_MASK_NAME = re.compile(rf"(?:({_KIND})[_-])?(train|valid|validation|val|test)(?:ing)?(?:[_-]?({_KIND}))?")
_TABLE = 2


def is_split(word: str) -> bool:
    """True where a word is a split's name."""
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
    words = words_of(values)
    for place, word in enumerate(words.distinct):
        if word.lower() not in _SPLIT_WORDS and not is_missing(word, (*_IN_NONE, *missing)):
            fix = f"train, validation or test; nothing where a node is in none (or pass it over with --missing={word})"
            raise DataError(f"{table.where(words.first_row(place))}: {word!r} is no split", fix=fix)
    names = np.array([_SPLIT_WORDS.get(word.lower(), "") for word in words.distinct])[words.codes]
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


class GivenSplits(NamedTuple):
    """The nodes of each split; nothing where the file has none."""

    names: tuple[str, ...]
    """The entries that say so."""
    arrays: Mapping[str, NDArray[Any]]
    """(ids,) of `train`, `validation` and `test`."""


def given_splits(entries: Entries, nodes: int, number: int | None) -> GivenSplits:
    """The splits of a file. `number`: which one, where the masks are of several.

    InputError where there is no such number, or only one split; DataError where something is missing or unclear.
    """
    found: dict[str, str] = {}
    for name in entries.by_name:
        if match := _MASK_NAME.fullmatch(name.lower()):
            split = _SPLIT_WORDS[match[2]]
            if split in found:
                what = f"{entries.file} holds {found[split]} and {name}: each may say which nodes are in {split}"
                raise DataError(what, fix=f"leave one out: {skip_option(name)}")
            found[split] = name
    if found and "train" not in found:
        names = " and ".join(found.values())
        skips = " ".join(map(skip_option, found.values()))
        raise DataError(f"{entries.file} holds {names}, but not which nodes train", fix=f"have a split drawn: {skips}")
    arrays = {split: _as_rows(entries.array(name), name, nodes) for split, name in found.items()}
    tables = {split for split, array in arrays.items() if array.ndim == _TABLE and array.shape[1] == nodes}
    most = max((len(arrays[split]) for split in tables), default=1)
    if number is not None and (most == 1 or not 0 <= number < most):
        there = f"there are {most}, from 0 to {most - 1}" if most > 1 else "it has no masks of several splits"
        raise InputError(f"--mask {number} of {entries.file}: {there}", fix="choose another, or leave out --mask")
    if number is None and most > 1:
        what = f"{found['train']} of {entries.file} has {most} splits; a graph folder has one"
        raise DataError(what, fix=f"choose one, from 0 to {most - 1}: --mask 0")
    chosen = {}
    for split, array in arrays.items():
        one = array[0 if len(array) == 1 else number or 0] if split in tables else array
        chosen[split] = as_ids(one, nodes, is_mask="mask" in found[split].lower())
    return GivenSplits(tuple(found.values()), chosen)


def _as_rows(array: NDArray[Any], name: str, nodes: int) -> NDArray[Any]:
    """(splits, N) where an array has a mask for each split, in rows or, as in PyG, in columns; any other as it is."""
    if array.ndim != _TABLE or nodes not in array.shape:
        return array
    has_rows = array.shape[1] == nodes and (array.shape[0] != nodes or name.lower().endswith("masks"))
    return array if has_rows else array.T
