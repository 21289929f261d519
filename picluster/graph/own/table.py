"""A table of one's own graph, understood: rows, the node of each, and its place for messages."""

from collections.abc import Callable
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
