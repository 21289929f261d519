"""Packed ids: the same as plain ones, at any place, in as few bits as they need."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from picluster.graph.packing import PackedIds, bits_for, pack_ids, pack_in_blocks, unpack_ids, words_for


def _ids(count: int, bits: int, seed: int = 0) -> np.ndarray:
    """Random ids, the largest among them."""
    ids = np.random.default_rng(seed).integers(0, 1 << bits, count).astype(np.int32)
    ids[-1:] = (1 << bits) - 1
    return ids


@given(bits=st.integers(1, 31), count=st.integers(0, 200), seed=st.integers(0, 99), data=st.data())
def test_packed_ids_are_read_like_plain_ones(bits: int, count: int, seed: int, data: st.DataObject) -> None:
    ids = _ids(count, bits, seed)
    words = pack_ids(ids, bits)
    packed = PackedIds(words, count, bits)
    assert len(words) == words_for(count, bits)
    np.testing.assert_array_equal(unpack_ids(words, count, bits), ids)
    begin, end = (data.draw(st.integers(0, count + 3)) for _ in range(2))
    np.testing.assert_array_equal(packed[begin:end], ids[begin:end])
    places = np.array(data.draw(st.lists(st.integers(0, max(0, count - 1)), max_size=20 * bool(count))), np.int64)
    np.testing.assert_array_equal(packed[places], ids[places])


def test_an_id_begins_at_bit_number_times_width() -> None:
    bits, ids = 18, _ids(100, 18)
    stream = np.unpackbits(pack_ids(ids, bits).view(np.uint8), bitorder="little")
    np.testing.assert_array_equal(stream[: 100 * bits].reshape(100, bits) @ (1 << np.arange(bits)), ids)


def test_a_long_array_is_packed_in_blocks_as_in_one_piece() -> None:
    ids = _ids((1 << 20) + 77, 18)
    words = np.zeros(words_for(len(ids), 18), np.uint32)
    pack_in_blocks(ids, 18, words)
    np.testing.assert_array_equal(words, pack_ids(ids, 18))


def test_ids_of_reddits_size_take_eighteen_bits() -> None:
    assert bits_for(232_965) == 18
    assert [bits_for(nodes) for nodes in (1, 2, 3, 4, 5)] == [1, 1, 2, 2, 3]
    assert words_for(114_615_892, 18) * 4 == pytest.approx(114_615_892 * 18 / 8, rel=1e-6)


@pytest.mark.parametrize("wrong", [-1, 1 << 5])
def test_an_id_that_does_not_fit_is_refused(wrong: int) -> None:
    with pytest.raises(ValueError, match="do not fit into 5 bits"):
        pack_ids(np.array([3, wrong], np.int32), 5)


@pytest.mark.parametrize("place", [-1, 40])
def test_a_place_beyond_the_ids_is_an_error(place: int) -> None:
    with pytest.raises(IndexError, match="of 40 ids"):
        PackedIds(pack_ids(_ids(40, 7), 7), 40, 7)[np.array([0, place])]
