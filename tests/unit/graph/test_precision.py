"""What fp16 and fp32 would lose of features."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from picluster.graph.precision import Loss, first_loss

random = np.random.default_rng(0)
CONTINUOUS = random.standard_normal((3000, 4))


def loss_of(values: Any, dtype: str = "float16", chunk: int = 7) -> Loss | None:
    rows: NDArray[Any] = np.asarray(values)
    rows = rows if rows.ndim > 1 else rows[:, None]
    return first_loss(lambda: (rows[start : start + chunk] for start in range(0, len(rows), chunk)), dtype)


@pytest.mark.parametrize(
    "values",
    [
        [0.0, 1.0, 65504.0, -65504.0],
        [True, False],
        np.arange(256, dtype=np.uint8),
        np.arange(-2048, 2049),
        [1995.0, 2024.0, 2048.0],
        [41000, 52000, 38000, 30500.0],
        [0.1, 0.2, 0.30000000000000004, 0.3],
        [0.1] * 9,
        np.zeros((4, 3)),
        CONTINUOUS,
        CONTINUOUS.astype(np.float32) * 100,
        random.random((3000, 3)),
        np.where(random.random((3000, 3)) < 0.05, random.random((3000, 3)), 0),
        np.append(CONTINUOUS[:, 0], 1e-9),
    ],
)
def test_what_fp16_holds_up_to_rounding_is_no_loss(values: Any) -> None:
    assert loss_of(values) is None


@pytest.mark.parametrize(
    ("values", "words", "row"),
    [
        ([1.0, 65505.0], "65505 is beyond fp16's 65,504", 1),
        (np.array([3, -(10**12)]), "-1000000000000 is beyond fp16's 65,504", 1),
        ([1.0, 0.5, 1e-9], "fp16 makes 0 of 1e-09", 2),
        ([1.0, -0.5, 1e-9, 0.0], "fp16 makes 0 of 1e-09", 2),
        (np.append(random.random(500), 1e-12), "fp16 makes 0 of 1e-12", 500),
        ([1e-6, 2e-6, 3e-6], "fp16 makes 2.02656e-06 of 2e-06", 1),
        ([1e-6] * 3, "fp16 makes 1.01328e-06 of 1e-06", 0),
        (np.arange(0, 5000), "2048 and 2049 are one number in fp16", 2049),
        (np.append(np.arange(0.0, 2049), [60_000, 2049]), "2048 and 2049 are one number in fp16", 2050),
        ([1000.01, 1000.02], "fp16 makes 1000 of 1000.02", 1),
        ([0.0, 5.0, 1000.01, 1000.02], "1000.01 and 1000.02 are one number in fp16", 3),
        (CONTINUOUS[:, 0] * 0.01 + 100, "fp16 makes", None),
    ],
)
def test_what_fp16_loses_is_told_with_an_example_and_its_row(values: Any, words: str, row: int | None) -> None:
    found = loss_of(values)
    assert found is not None
    assert words in found.words
    assert row is None or found.row == row


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ([1.0, 1e39], "1e+39 is beyond fp32's 3.4e+38"),
        ([1.0, 1e-50], "fp32 makes 0 of 1e-50"),
        (np.array([1_700_000_000_123, 1_700_000_000_124]), "fp32 makes 1700000038912 of 1700000000123"),
        (np.array([5, 2**60, 2**60 + 1]), "1152921504606846976 and 1152921504606846977 are one number in fp32"),
        (np.append(np.arange(100), [2**24, 2**24 + 1]), "16777216 and 16777217 are one number in fp32"),
    ],
)
def test_what_fp32_loses_is_told_too(values: Any, words: str) -> None:
    found = loss_of(values, "float32")
    assert found is not None
    assert found.words == words


@pytest.mark.parametrize("values", [CONTINUOUS, [1000.01, 1000.02], [0.3, 0.30000000000000004], np.arange(70_000)])
def test_what_fp32_rounds_of_fp64_is_no_loss(values: Any) -> None:
    assert loss_of(values, "float32") is None


def test_the_column_is_told() -> None:
    found = loss_of([[1.0, 2.0, 3.0], [1.0, 2.0, 1e6]])
    assert found is not None
    assert (found.row, found.column, found.too_large) == (1, 2, True)


@given(
    rows=arrays(np.float64, (9, 3), elements=st.sampled_from([0.0, 1.0, 0.1, 2048.0, 2049.0, 1e-9, -1e-9, 7e4, 1e-6])),
    chunk=st.integers(1, 9),
)
def test_how_the_rows_are_cut_does_not_matter(rows: NDArray[np.float64], chunk: int) -> None:
    whole, cut = loss_of(rows, chunk=9), loss_of(rows, chunk=chunk)
    assert (whole is None) == (cut is None)
    if whole and cut and not whole.too_large:
        assert whole.words == cut.words
