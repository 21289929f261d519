"""Rows in int8 and fp16: errors are bounded, and values that can be held come back as they are."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from picluster.rounding import SCALE_BYTES, from_fp16, from_int8, to_fp16, to_int8

if TYPE_CHECKING:
    from numpy.typing import NDArray

LARGEST = float(np.finfo(np.float32).max) / 4
SMALLEST = float(np.finfo(np.float32).tiny)
values = st.floats(-LARGEST, LARGEST, width=32).filter(lambda value: value == 0 or abs(value) >= SMALLEST)
tables = arrays.arrays(np.float32, st.tuples(st.integers(0, 5), st.integers(1, 9)), elements=values)
random = np.random.default_rng(0)


def largest_of(rows: NDArray[np.float32]) -> NDArray[np.float64]:
    largest: NDArray[np.float64] = np.abs(rows.astype(np.float64)).max(axis=1, initial=0)[:, None]
    return largest


@settings(max_examples=30)
@given(tables)
def test_int8_errs_by_half_a_unit_of_the_rows_largest_value(rows: NDArray[np.float32]) -> None:
    errors = np.abs(from_int8(to_int8(rows)).astype(np.float64) - rows)
    assert (errors <= largest_of(rows) / 254 * (1 + 1e-4) + SMALLEST).all()


@settings(max_examples=30)
@given(tables)
def test_fp16_errs_by_an_eleventh_bit_or_by_little_beside_the_rows_largest_value(rows: NDArray[np.float32]) -> None:
    errors = np.abs(from_fp16(to_fp16(rows)).astype(np.float64) - rows)
    bound = np.maximum(np.abs(rows.astype(np.float64)) * 2.0**-11, largest_of(rows) * 2.0**-39)
    assert (errors <= bound + SMALLEST).all()


@settings(max_examples=30)
@given(tables)
def test_what_has_been_rounded_to_int8_stays_as_it_is(rows: NDArray[np.float32]) -> None:
    once = to_int8(np.where(largest_of(rows) < SMALLEST * 2**10, 0, rows).astype(np.float32))
    np.testing.assert_array_equal(to_int8(from_int8(once))[:, :-SCALE_BYTES], once[:, :-SCALE_BYTES])
    dither = (random.integers(0, 1 << 16, rows.shape) / (1 << 16)).astype(np.float32)
    np.testing.assert_allclose(from_int8(to_int8(from_int8(once), dither)), from_int8(once), rtol=1e-6)


@pytest.mark.parametrize("least", [1.0, 2.0**-14, 2.0**20])
def test_gradients_far_below_what_fp16_holds_keep_their_bits(least: float) -> None:
    rows = (random.standard_normal((20, 30)) * 1e-9 * least).astype(np.float32)
    np.testing.assert_allclose(from_fp16(to_fp16(rows)), rows, rtol=2.0**-11)


def test_rounding_at_random_is_right_on_average() -> None:
    rows = random.standard_normal((1, 64)).astype(np.float32)
    draws = 4000
    dither = (random.integers(0, 1 << 16, (draws, 64)) / (1 << 16)).astype(np.float32)
    found = from_int8(to_int8(np.repeat(rows, draws, axis=0), dither))
    unit = float(np.abs(rows).max()) / 127
    assert np.abs(found - rows).max() <= unit * (1 + 1e-5)
    assert np.abs(found.mean(axis=0, dtype=np.float64) - rows[0]).max() < unit * 5 * 0.5 / draws**0.5


@pytest.mark.parametrize("odd", [np.nan, np.inf, -np.inf])
def test_a_row_that_holds_no_number_comes_out_as_none(odd: float) -> None:
    rows = np.array([[1.0, odd, 2.0], [1.0, 0.5, 0.25]], np.float32)
    for found in (from_int8(to_int8(rows)), from_fp16(to_fp16(rows))):
        assert np.isnan(found[0]).all()
        np.testing.assert_allclose(found[1], rows[1], rtol=0.01)


def test_rows_of_zeros_and_tables_without_rows_pass() -> None:
    for rows in (np.zeros((3, 2), np.float32), np.zeros((0, 2), np.float32)):
        np.testing.assert_array_equal(from_int8(to_int8(rows)), rows)
        np.testing.assert_array_equal(from_fp16(to_fp16(rows)), rows)
