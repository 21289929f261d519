"""Which nodes train, validate and test, in a file that holds a whole graph: masks or ids, for one split or several."""

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from numpy.typing import NDArray

from picluster.errors import DataError, InputError
from picluster.graph.own.splits import as_ids
from picluster.graph.own.whole.entries import Entries, skip_option

_KIND = "masks?|idx|index|indices|ids?|nodes"
_NAME = re.compile(rf"(?:({_KIND})[_-])?(train|valid|validation|val|test)(?:ing)?(?:[_-]?({_KIND}))?")
_SPLITS = {"train": "train", "val": "validation", "valid": "validation", "validation": "validation", "test": "test"}
_TABLE = 2


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
        if match := _NAME.fullmatch(name.lower()):
            split = _SPLITS[match[2]]
            if split in found:
                what = f"{entries.file} holds {found[split]} and {name}: each may say which nodes are in {split}"
                raise DataError(what, fix=f"leave one out: {skip_option(name)}")
            found[split] = name
    if found and "train" not in found:
        names = " and ".join(found.values())
        skips = " ".join(map(skip_option, found.values()))
        raise DataError(f"{entries.file} holds {names}, but not which nodes train", fix=f"have a split drawn: {skips}")
    arrays = {split: entries.array(name) for split, name in found.items()}
    most = max((_count(array, nodes) for array in arrays.values()), default=1)
    if number is not None and (most == 1 or not 0 <= number < most):
        there = f"there are {most}, from 0 to {most - 1}" if most > 1 else "it has no masks of several splits"
        raise InputError(f"--mask {number} of {entries.file}: {there}", fix="choose another, or leave out --mask")
    if number is None and most > 1:
        what = f"{found['train']} of {entries.file} has {most} splits; a graph folder has one"
        raise DataError(what, fix=f"choose one, from 0 to {most - 1}: --mask 0")
    taken = {split: _one(array, found[split], nodes, number or 0) for split, array in arrays.items()}
    chosen = {split: as_ids(array, nodes, is_mask="mask" in found[split].lower()) for split, array in taken.items()}
    return GivenSplits(tuple(found.values()), chosen)


def _count(array: NDArray[Any], nodes: int) -> int:
    """Of how many splits masks are."""
    if array.ndim != _TABLE or nodes not in array.shape:
        return 1
    rows, columns = array.shape
    return int(rows if _has_rows(array, "", nodes) else columns)


def _has_rows(array: NDArray[Any], name: str, nodes: int) -> bool:
    """Whether every split is a row, not a column as in PyG."""
    return array.shape[1] == nodes and (array.shape[0] != nodes or name.lower().endswith("masks"))


def _one(array: NDArray[Any], name: str, nodes: int, number: int) -> NDArray[Any]:
    if array.ndim != _TABLE or nodes not in array.shape:
        return array
    splits = array if _has_rows(array, name, nodes) else array.T
    chosen: NDArray[Any] = splits[0 if len(splits) == 1 else number]
    return chosen
