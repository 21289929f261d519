"""Losses of features in a narrower type: values too large for it, values that become 0, different values that merge.

Rounding alone is no loss: continuous features keep 11 bits in fp16. It is one where nodes can no longer be told apart:
whole numbers (years, ids, counts) or few values that become the same, or rounding as coarse as a column's own spread.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from picluster.rounding import from_int8, to_int8

_CHUNK_VALUES = 1 << 20
_BLURRED = 0.25
"""Largest rounding to int8, as a share of a column's spread."""
_FEW = 64
"""Most values of a column that is taken for one of names or levels: none of them may become another."""
_COARSE = {"float16": 2.0**-9, "float32": 2.0**-3}
"""Largest rounding, as a share of a column's spread; a column around 0 has an eighth of it in fp16. Beyond fp32 there
is nothing to choose: only heavy losses are reported.
"""
_NOISE = {"float16": 2.0**-22, "float32": 2.0**-44}
"""Spread, as a share of its values, below which a column is constant, but for rounding errors of its computation."""
TITLES = {"float16": "fp16", "float32": "fp32", "int8": "int8"}

Chunks = Callable[[], Iterable[NDArray[Any]]]
"""Function that gives the rows anew at each call, in order: (rows, F) each, every value finite."""


class Loss(NamedTuple):
    """An example of a value that a type cannot hold; row and column count from 0."""

    row: int
    column: int
    words: str
    """Description, such as `fp16 makes 2048 of 2049`."""
    too_large: bool = False
    """True where the value would become infinite."""


def first_loss(chunks: Chunks, dtype: str) -> Loss | None:
    """First loss of the values in the type `dtype` (float16, float32); None where it holds them."""
    columns: _Columns | None = None
    for begin, rows in _numbered(chunks()):
        if np.can_cast(rows.dtype, dtype):
            continue
        if found := _too_large(rows, begin, dtype):
            return found
        columns = columns or _Columns(dtype, rows.shape[1])
        columns.see(rows)
    if columns is None:
        return None
    one_sign = (columns.least > 0) | (columns.most < 0)  # in other columns a few values are near to 0 by chance
    for column in np.flatnonzero(columns.vanishes & one_sign):
        return columns.vanished(int(column), chunks)
    return columns.coarse(chunks) or _first_merged(chunks, columns, dtype)


def first_blur(chunks: Chunks) -> Loss | None:
    """First value of a column that int8 rounds by much of the column's spread; None where there is no such column.

    All values of a row have one unit: a column of small values beside one of large values may vanish.
    """
    worst = least = most = np.zeros(0)
    for begin, rows in _numbered(chunks()):
        errors = np.abs(_in_int8(rows) - rows)
        worst = np.maximum(errors.max(axis=0), worst if begin else 0)
        least = np.minimum(rows.min(axis=0), least if begin else np.inf)
        most = np.maximum(rows.max(axis=0), most if begin else -np.inf)
    blurred = np.flatnonzero((worst > _BLURRED * (most - least)) & (most > least))
    if not len(blurred):
        return None
    column = int(blurred[0])
    for begin, rows in _numbered(chunks()):
        rounded = _in_int8(rows)[:, column]
        errors = np.abs(rounded - rows[:, column])
        if errors.max() == worst[column]:
            row = int(errors.argmax())
            words = f"int8 makes {rounded[row]:.3g} of {number(rows[row, column])}"
            return Loss(begin + row, column, words)
    raise LookupError(f"no value of column {column} is blurred")


def _in_int8(rows: NDArray[Any]) -> NDArray[np.float32]:
    """Rows as they come out of int8."""
    return from_int8(to_int8(rows.astype(np.float32)))


def fitting_dtype(rows: NDArray[Any], asked: str) -> str:
    """Type for `rows` (N, F): the one that is asked for, or float32 where float16 would lose something."""
    step = max(1, _CHUNK_VALUES // max(1, rows.shape[1]))

    def chunks() -> Iterator[NDArray[Any]]:
        return (rows[begin : begin + step] for begin in range(0, len(rows), step))

    return "float32" if asked == "float16" and first_loss(chunks, asked) else asked


def _numbered(chunks: Iterable[NDArray[Any]]) -> Iterator[tuple[int, NDArray[Any]]]:
    """Yield each chunk after the number of its first row."""
    begin = 0
    for rows in chunks:
        yield begin, rows
        begin += len(rows)


def _too_large(rows: NDArray[Any], begin: int, dtype: str) -> Loss | None:
    """The first value beyond the type's largest."""
    largest = float(np.finfo(dtype).max)
    beyond = (rows > largest) | (rows < -largest)
    if not beyond.any():
        return None
    row, column = (int(place) for place in np.unravel_index(int(np.argmax(beyond)), beyond.shape))
    limit = f"{largest:,.0f}" if dtype == "float16" else f"{largest:.2g}"
    words = f"{number(rows[row, column])} is beyond {TITLES[dtype]}'s {limit}"
    return Loss(begin + row, column, words, too_large=True)


def _wide(values: NDArray[Any]) -> NDArray[Any]:
    """Values in a type that holds them and those of fp16 and fp32."""
    return values.astype(np.longdouble if values.dtype.kind in "iu" else np.float64)


def _place_of(chunks: Chunks, column: int, wanted: Callable[[NDArray[Any]], NDArray[np.bool_]]) -> tuple[int, Any]:
    """First row of a column whose value is wanted, and the value."""
    for begin, rows in _numbered(chunks()):
        if len(found := np.flatnonzero(wanted(rows[:, column]))):
            return begin + int(found[0]), rows[found[0], column]
    raise LookupError(f"no value of column {column} is wanted")


class _Columns:
    """Properties of each column (F,) over the rows seen so far."""

    def __init__(self, dtype: str, width: int) -> None:
        self.dtype = dtype
        self.error = np.zeros(width)  # the largest rounding
        # The extremes of all values but 0, since zeros often stand for nothing.
        self.least, self.most = np.full(width, np.inf), np.full(width, -np.inf)
        self.whole = np.ones(width, bool)  # only whole numbers
        self.vanishes = np.zeros(width, bool)  # a value becomes 0

    def see(self, rows: NDArray[Any]) -> None:
        """Take in further rows (rows, F)."""
        exact, stored = _wide(rows), _wide(rows.astype(self.dtype))
        filled = exact != 0
        self.error = np.maximum(self.error, np.abs(stored - exact).max(axis=0))
        self.whole &= (exact == np.rint(exact)).all(axis=0)
        self.vanishes |= (filled & (stored == 0)).any(axis=0)
        self.least = np.minimum(self.least, np.where(filled, exact, np.inf).min(axis=0))
        self.most = np.maximum(self.most, np.where(filled, exact, -np.inf).max(axis=0))

    def vanished(self, column: int, chunks: Chunks) -> Loss:
        """The first value of a column that becomes 0."""
        row, value = _place_of(chunks, column, lambda values: (values != 0) & (values.astype(self.dtype) == 0))
        return Loss(row, column, f"{TITLES[self.dtype]} makes 0 of {number(value)}")

    def coarse(self, chunks: Chunks) -> Loss | None:
        """A value that is rounded by much of its column's spread."""
        largest = np.maximum(np.abs(self.most), np.abs(self.least))
        tiny = largest < float(np.finfo(self.dtype).tiny)
        varies = self.most - self.least > _NOISE[self.dtype] * largest
        spread = np.where(varies, self.most - self.least, np.where(tiny, 0.0, np.inf))
        coarse = np.flatnonzero(self.error > _COARSE[self.dtype] * spread)
        if not len(coarse):
            return None
        column = int(coarse[0])
        row, value = _place_of(
            chunks, column, lambda seen: np.abs(_wide(seen.astype(self.dtype)) - _wide(seen)) == self.error[column]
        )
        stored = np.asarray(value).astype(self.dtype)[()]
        return Loss(row, column, f"{TITLES[self.dtype]} makes {number(stored)} of {number(value)}")


def _first_merged(chunks: Chunks, columns: _Columns, dtype: str) -> Loss | None:
    """Two values of a column that become the same: whole numbers, or values of which there are few."""
    rounded = (int(column) for column in np.flatnonzero(columns.error > 0))
    known = {column: np.zeros(0) for column in rounded if columns.whole[column] or dtype == "float16"}
    for rows in chunks():
        for column in list(known):
            whole = columns.whole[column]
            seen = rows[:, column] if whole else rows[:, column].astype(np.float32)  # what fp32 cannot tell is noise
            known[column] = np.unique(np.concatenate([known[column].astype(seen.dtype), seen]))
            if whole and (found := _merged(known[column], column, chunks, dtype)):
                return found
            if not whole and len(known[column]) > _FEW:
                del known[column]
    for column, values in known.items():
        if columns.vanishes[column]:
            return columns.vanished(column, chunks)
        if found := _merged(values, column, chunks, dtype):
            return found
    return None


def _merged(values: NDArray[Any], column: int, chunks: Chunks, dtype: str) -> Loss | None:
    """First two of a column's ascending values that become one."""
    stored = values.astype(dtype)
    same = np.flatnonzero(stored[1:] == stored[:-1])
    if not len(same):
        return None
    one, other = values[same[0] : same[0] + 2]
    row, _ = _place_of(chunks, column, lambda seen: seen.astype(values.dtype) == other)
    return Loss(row, column, f"{number(one)} and {number(other)} are one number in {TITLES[dtype]}")


def number(value: Any) -> str:
    """Value as a person would write it: `2049`, `1000.01`, `1e-09`."""
    if isinstance(value, np.integer) or (float(value).is_integer() and abs(float(value)) < 1 << 53):
        return str(int(value))
    return f"{value:.6g}" if isinstance(value, np.float16) else str(value)
