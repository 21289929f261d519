"""Hashed random numbers: alike in numpy and torch, uniform, and independent of each other."""

from itertools import combinations, product
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from scipy import stats  # type: ignore[import-untyped]

from picluster.randomness import Purpose, draw_words, key, row_words

UNLIKELY = 1e-5
"""Below this a p-value counts as a failure; all keys here are fixed, so a test either always passes or never."""
IDS = np.arange(1 << 16, dtype=np.int32)

scalars = st.integers(-(1 << 63), (1 << 63) - 1)
ids_arrays = arrays.arrays(np.int32, st.integers(1, 50), elements=st.integers(-(1 << 31), (1 << 31) - 1))


def words(scalars: tuple[int, ...], *, seed: int = 0, purpose: Purpose = Purpose.SAMPLE, draw: int = 0) -> Any:
    """One unsigned word for each id of `IDS`."""
    drawn = key(seed, purpose, *scalars)
    return draw_words(drawn, row_words(drawn, IDS), draw).view(np.uint32)


def p_value_of_independence(first: Any, second: Any) -> float:
    """Of a 16 by 16 table of the two words' highest bits."""
    cells = np.bincount((first >> 28) * 16 + (second >> 28), minlength=256)
    return float(stats.chisquare(cells).pvalue)


@given(ids=ids_arrays, seed=scalars, draw=st.integers(0, 1 << 20))
def test_numpy_and_torch_give_the_same_words(ids: np.ndarray[Any, Any], seed: int, draw: int) -> None:
    drawn, tensor = key(seed, Purpose.DROPOUT, 3, 7), torch.from_numpy(ids)
    rows = row_words(drawn, ids)
    np.testing.assert_array_equal(row_words(drawn, tensor).numpy(), rows, strict=True)
    np.testing.assert_array_equal(
        draw_words(drawn, row_words(drawn, tensor), draw).numpy(), draw_words(drawn, rows, draw), strict=True
    )
    columns = np.arange(draw, draw + 5, dtype=np.int32)
    np.testing.assert_array_equal(
        draw_words(drawn, row_words(drawn, tensor)[:, None], torch.from_numpy(columns)).numpy(),
        draw_words(drawn, rows[:, None], columns),
        strict=True,
    )


@given(ids=ids_arrays, seed=scalars, draw=st.integers(0, 1 << 20))
def test_words_are_those_of_the_published_hash_in_unsigned_arithmetic(
    ids: np.ndarray[Any, Any], seed: int, draw: int
) -> None:
    def lowbias32(x: int) -> int:
        x = (x ^ (x >> 16)) * 0x7FEB352D % (1 << 32)
        x = (x ^ (x >> 15)) * 0x846CA68B % (1 << 32)
        return x ^ (x >> 16)

    drawn = key(seed, Purpose.SAMPLE)
    low, high = drawn.low % (1 << 32), drawn.high % (1 << 32)
    spread = draw * 0x9E3779B9
    expected = [lowbias32((lowbias32(int(i) % (1 << 32) ^ low) + spread) % (1 << 32) ^ high) for i in ids]
    found = draw_words(drawn, row_words(drawn, ids), draw)
    assert found.view(np.uint32).tolist() == expected


@given(ids=ids_arrays, seed=scalars, data=st.data())
def test_a_draw_is_the_same_as_a_number_and_as_an_array(
    ids: np.ndarray[Any, Any], seed: int, data: st.DataObject
) -> None:
    draw = data.draw(st.integers(0, (1 << 31) - 1))
    drawn = key(seed, Purpose.SAMPLE)
    rows = row_words(drawn, ids)
    as_array = draw_words(drawn, rows, np.full(len(ids), draw, np.int32))
    np.testing.assert_array_equal(draw_words(drawn, rows, draw), as_array)


@given(seed=scalars, given_scalars=st.lists(scalars, min_size=1, max_size=5), other=scalars, data=st.data())
def test_every_scalar_of_a_key_counts_at_its_place(
    seed: int, given_scalars: list[int], other: int, data: st.DataObject
) -> None:
    base = key(seed, Purpose.SAMPLE, *given_scalars)
    place = data.draw(st.integers(0, len(given_scalars) - 1))
    changed = [other if at == place else scalar for at, scalar in enumerate(given_scalars)]
    assert (key(seed, Purpose.SAMPLE, *changed) == base) == (changed == given_scalars)
    assert (key(other, Purpose.SAMPLE, *given_scalars) == base) == (other == seed)
    backwards = given_scalars[::-1]
    assert (key(seed, Purpose.SAMPLE, *backwards) == base) == (backwards == given_scalars)
    assert key(seed, Purpose.SAMPLE, *given_scalars, 0) != base


def test_keys_of_near_scalars_and_all_purposes_are_distinct_in_each_half() -> None:
    keys = [key(*scalars) for scalars in product(range(4), Purpose, range(4), range(4), range(4))]
    # 1,536 numbers of 32 bits meet twice with probability 0.0003.
    assert len({k.low for k in keys}) == len({k.high for k in keys}) == len(keys)


@given(seed=scalars)
def test_a_keys_word_holds_both_halves_in_63_bits(seed: int) -> None:
    drawn = key(seed, Purpose.INIT)
    assert 0 <= drawn.word < 1 << 63
    assert drawn.word % (1 << 32) == drawn.low % (1 << 32)
    assert drawn.word >> 32 == drawn.high % (1 << 31)


@given(ids=ids_arrays, seed=scalars, data=st.data())
def test_a_nodes_words_do_not_depend_on_who_else_is_there(
    ids: np.ndarray[Any, Any], seed: int, data: st.DataObject
) -> None:
    chosen = np.array(data.draw(st.lists(st.integers(0, len(ids) - 1), min_size=1)))
    drawn = key(seed, Purpose.SAMPLE)
    whole = draw_words(drawn, row_words(drawn, ids), 3)
    np.testing.assert_array_equal(draw_words(drawn, row_words(drawn, ids[chosen]), 3), whole[chosen])


@pytest.mark.parametrize("draw", [0, 1, 24, 601])
@pytest.mark.parametrize("shift", [0, 8, 16, 24])
def test_each_byte_of_the_words_is_uniform_over_nodes(draw: int, shift: int) -> None:
    for epoch in range(4):
        values = (words((epoch,), draw=draw) >> shift) & 0xFF
        assert stats.chisquare(np.bincount(values, minlength=256)).pvalue > UNLIKELY


def test_words_of_one_node_are_uniform_over_keys() -> None:
    drawn = [key(5, Purpose.SAMPLE, epoch) for epoch in range(20_000)]
    node = np.array([17], np.int32)
    values = np.concatenate([draw_words(k, row_words(k, node), 2) for k in drawn]).view(np.uint32)
    for shift in (0, 8, 16, 24):
        assert stats.chisquare(np.bincount((values >> shift) & 0xFF, minlength=256)).pvalue > UNLIKELY


def test_words_of_different_purposes_are_independent() -> None:
    drawn = {purpose: words((1, 2, 3), purpose=purpose) for purpose in Purpose}
    for first, second in combinations(Purpose, 2):
        assert p_value_of_independence(drawn[first], drawn[second]) > UNLIKELY, (first, second)


def test_words_of_different_seeds_epochs_steps_layers_and_draws_are_independent() -> None:
    base = words((1, 1, 1))
    others = {
        "seed": words((1, 1, 1), seed=1),
        "epoch": words((2, 1, 1)),
        "step": words((1, 2, 1)),
        "layer": words((1, 1, 2)),
        "next draw": words((1, 1, 1), draw=1),
        "far draw": words((1, 1, 1), draw=24),
        "next node": np.roll(base, 1),
    }
    for name, other in others.items():
        assert p_value_of_independence(base, other) > UNLIKELY, name
