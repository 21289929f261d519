"""A table of one's own graph, wherever it was read: rows, and the place of each for messages."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from numpy.typing import NDArray

from picluster.errors import DataError

Kind = Literal["ids", "numbers", "words"]
WANTED = {"ids": "a whole number", "numbers": "a number", "words": "a word"}
ID_HEADS = ("", "node", "id", "node_id")
"""What the head of a column of node ids may be; pandas leaves it empty."""
_DTYPE_KINDS = {"ids": "iu", "numbers": "iufb", "words": "iuUS"}


@dataclass(frozen=True, kw_only=True)
class Table:
    """Rows, and where each of them stands."""

    rows: NDArray[Any]
    """(rows, columns)."""
    where: Callable[[int], str]
    """Such as `edges.csv, line 5`, of a row from 0."""
    node_column: bool = False
    """The first column says which node a row is of."""


def as_table(rows: NDArray[Any], kind: Kind, source: str) -> Table:
    """An array of one or two dimensions as a table. DataError where it is empty or not of its kind."""
    if rows.ndim not in (1, 2) or not rows.size:
        raise DataError(
            f"{source} has the shape {rows.shape}; a table has rows and columns", fix="see docs/datasets.md"
        )
    if rows.dtype.kind not in _DTYPE_KINDS[kind]:
        what = f"{source} holds {rows.dtype.name}, where {WANTED[kind]} is expected"
        raise DataError(what, fix="convert it first, such as with .astype")
    rows = rows if rows.ndim > 1 else rows[:, None]
    rows = rows.astype(str) if kind == "words" else rows
    return Table(rows=rows, where=lambda row: f"{source}, row {row} (from 0)")
