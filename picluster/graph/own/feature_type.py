"""In which type one's own features are stored: fp16 where it holds them, else fp32, with what is to be said of it."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from picluster.errors import DataError
from picluster.graph.own.own_graph import Table
from picluster.graph.precision import Loss, first_loss

_CHUNK_VALUES = 1 << 22
_SCALE = "scale the column, such as by its largest value"


def chunks_of(table: Table) -> list[slice]:
    """Its rows, some at a time."""
    rows = max(1, _CHUNK_VALUES // table.rows.shape[1])
    return [slice(start, start + rows) for start in range(0, len(table.rows), rows)]


def choose_dtype(features: Table, names: Sequence[str], asked: str | None) -> tuple[str, list[str]]:
    """The type, and sentences; what is asked for is obeyed, unless values would become infinite.

    `names` of the columns, where they have any. DataError names the first feature that is no finite number, or beyond
    the type.
    """

    def chunks() -> Iterable[NDArray[Any]]:
        return (features.rows[place] for place in chunks_of(features))

    def say(loss: Loss) -> str:
        return f"{loss.words} ({_place(features, names, loss.row, loss.column)})"

    _check_finite(features, names)
    in_fp16 = None if asked == "float32" else first_loss(chunks, "float16")
    if asked == "float16" and in_fp16 and in_fp16.too_large:
        raise DataError(say(in_fp16), fix=f"leave out --store fp16 (fp32 is taken then), or {_SCALE}")
    if asked == "float16" and in_fp16:
        return asked, [f"features: stored as fp16 as asked, although {say(in_fp16)}"]
    if asked != "float32" and in_fp16 is None:
        return "float16", []
    notes = [f"features: stored as fp32, because {say(in_fp16)}"] if in_fp16 else []
    in_fp32 = first_loss(chunks, "float32")
    if in_fp32 and in_fp32.too_large:
        raise DataError(say(in_fp32), fix=_SCALE)
    if in_fp32:
        subtract = "subtract what all have in common before importing"
        notes.append(f"features: even fp32 has too few digits: {say(in_fp32)}; {subtract}")
    return "float32", notes


def _place(features: Table, names: Sequence[str], row: int, column: int) -> str:
    named = f"{names[column]!r}" if column < len(names) else f"{column} (from 0)"
    return f"{features.where(row)}, feature {named}"


def _check_finite(features: Table, names: Sequence[str]) -> None:
    for part in chunks_of(features):
        rows = features.rows[part]
        if not np.isfinite(rows).all():
            row, column = (int(index) for index in np.argwhere(~np.isfinite(rows))[0])
            where = _place(features, names, part.start + row, column)
            raise DataError(f"{where} is {rows[row, column]}, not a finite number", fix="replace it, such as by 0")
