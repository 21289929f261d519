"""Rows in fewer bits, each with a scale of its own: int8, or fp16 after a power of two.

One code for features that are stored, rows that cross the network, and rows at a boundary which nothing crosses: the
same values come out. A row that holds an infinite value, or none at all (nan), comes out as nan; one that ends where
fp32 ends may come out as infinite.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

SCALE_BYTES = 4
"""Columns of int8 behind a row's values, which hold its scale in fp32."""
EXPONENT_COLUMNS = 1
"""Columns of fp16 behind a row's values, which hold the exponent of its power of two."""

_LARGEST = 127
_TOP_EXPONENT = 15
"""Scaled rows have their largest magnitude from 2¹⁴ to 2¹⁵: 28 binades below keep all 11 bits, ten more keep some."""
_LEAST_EXPONENT = -100
"""Rows that are smaller still are scaled as if they were not: powers beyond are no numbers of fp32."""

Rows = NDArray[np.float32]
Packed = NDArray[Any]


def to_int8(rows: Rows, dither: Rows | None = None) -> NDArray[np.int8]:
    """(n, width) → (n, width + 4): values in units of a row's largest magnitude / 127, then that unit.

    To the nearest: an error of 1/254 of a row's largest magnitude at most. With `dither` (n, width), multiples of 2⁻¹⁶
    in [0, 1), up or down at random: the expectation is exact, and an error twice as large may occur. Values that are
    whole units stay as they are.
    """
    count, width = rows.shape
    with np.errstate(all="ignore"):
        scales = np.abs(rows).max(axis=1, initial=0).astype(np.float32) / np.float32(_LARGEST)
        usable = np.isfinite(scales) & (scales > 0)
        units = rows / np.where(usable, scales, np.float32(1))[:, None]
    units = np.rint(units, out=units) if dither is None else np.floor(np.add(units, dither, out=units), out=units)
    units[~usable] = 0
    packed = np.empty((count, width + SCALE_BYTES), np.int8)
    packed[:, :width] = np.clip(units, -_LARGEST, _LARGEST, out=units)
    packed[:, width:] = scales.astype("<f4").view(np.int8).reshape(count, SCALE_BYTES)
    return packed


def from_int8(packed: NDArray[np.int8], out: Rows | None = None) -> Rows:
    """Give the rows that `to_int8` packed, in `out` (n, width) where it is given."""
    width = packed.shape[1] - SCALE_BYTES
    scales = np.ascontiguousarray(packed[:, width:]).view("<f4")
    with np.errstate(all="ignore"):
        rows: Rows = np.multiply(packed[:, :width], scales, out=out, dtype=np.float32)
    return rows


def to_fp16(rows: Rows) -> NDArray[np.float16]:
    """(n, width) → (n, width + 1): values divided by a power of two near their row's largest, then its exponent.

    To the nearest: an error of 2⁻¹¹ of a value at most, or where it is far below its row's largest, 2⁻³⁹ of that.
    """
    count, width = rows.shape
    largest = np.abs(rows).max(axis=1, initial=0)
    exponents = np.frexp(np.where(np.isfinite(largest), largest, np.float32(1)))[1]
    exponents = np.where(largest > 0, np.maximum(exponents, _LEAST_EXPONENT), 0).astype(np.int32)
    packed = np.empty((count, width + EXPONENT_COLUMNS), np.float16)
    with np.errstate(all="ignore"):
        packed[:, :width] = rows * np.ldexp(np.float32(1), _TOP_EXPONENT - exponents)[:, None]
    packed[~np.isfinite(largest), :width] = np.nan
    packed[:, width] = exponents
    return packed


def from_fp16(packed: NDArray[np.float16], out: Rows | None = None) -> Rows:
    """Give the rows that `to_fp16` packed, in `out` (n, width) where it is given."""
    width = packed.shape[1] - EXPONENT_COLUMNS
    powers = np.ldexp(np.float32(1), packed[:, width].astype(np.int32) - _TOP_EXPONENT)
    with np.errstate(all="ignore"):
        rows: Rows = np.multiply(packed[:, :width], powers[:, None], out=out, dtype=np.float32)
    return rows
