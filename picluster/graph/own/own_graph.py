"""One's own graph: what it consists of, wherever it was read."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from picluster.errors import DataError

Kind = Literal["ids", "numbers", "words"]
_WANTED = {"ids": "a whole number", "numbers": "a number", "words": "a word"}
_DTYPE_KINDS = {"ids": "iu", "numbers": "iufb", "words": "iufbUS"}


@dataclass(frozen=True, kw_only=True)
class Table:
    """Rows, and where each of them stands."""

    rows: NDArray[Any]
    """(rows, columns)."""
    where: Callable[[int], str]
    """Such as `edges.csv, line 5`, of a row from 0."""
    nodes: NDArray[np.int64] | None = None
    """(rows,) the node of each row, where it is not the row's own number."""


@dataclass(frozen=True, kw_only=True)
class OwnGraph:
    """A graph as a person gives it; nothing is checked yet."""

    edges: Table
    """(E, 2): source, target."""
    features: Table
    """(N, F)."""
    feature_names: tuple[str, ...] = ()
    """(F,), for messages; none where columns have no names."""
    labels: Table
    """(M, 1) numbers or words, with the node of each where not the row's own; or an array (M, 2): node, label."""
    class_names: Sequence[str] = ()
    """The name of each class, where labels are numbers that have names."""
    splits: Table | Mapping[str, NDArray[Any]] | None
    """As labels, words; or ids or a mask for each split; or nothing: drawn by a seed."""
    splits_source: str = ""
    """The file or entries that hold the splits, for messages."""
    origin: str
    """The files that the graph is from, in words."""
    node_names: Sequence[str] = ()
    """(N,) the person's own id of each node, where nodes were not numbered; the tables above hold numbers."""
    missing: tuple[str, ...] = ()
    """Words for a node without a label, beside those that are known."""
    notes: tuple[str, ...] = ()
    """Sentences: how the files were understood, and what was passed over."""


def as_table(rows: NDArray[Any], kind: Kind, source: str) -> Table:
    """An array of one or two dimensions as a table. DataError where it is empty or not of its kind."""
    if rows.ndim not in (1, 2) or not rows.size:
        raise DataError(
            f"{source} has the shape {rows.shape}; a table has rows and columns", fix="see docs/datasets.md"
        )
    if rows.dtype.kind not in _DTYPE_KINDS[kind]:
        what = f"{source} holds {rows.dtype.name}, where {_WANTED[kind]} is expected"
        raise DataError(what, fix="convert it first, such as with .astype")
    rows = rows if rows.ndim > 1 else rows[:, None]
    return Table(rows=rows, where=lambda row: f"{source}, row {row} (from 0)")
