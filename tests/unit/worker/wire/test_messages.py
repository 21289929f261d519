"""Packing of messages."""

from typing import Any

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from numpy.typing import NDArray

from picluster.worker.wire.messages import Message, pack, payload_bytes, unpack
from picluster.worker.wire.tensors import message_of, tensors_of

KERNEL_ALIGNMENT = 64
"""torch's own allocator gives it, and MKL's products differ in the last bit where it is missing."""

DTYPES = [np.uint8, np.int8, np.int32, np.int64, np.float16, np.float32, np.float64]
shapes = st.one_of(st.tuples(st.integers(0, 9)), st.tuples(st.integers(0, 9), st.integers(0, 9)))
drawn = st.tuples(st.sampled_from(DTYPES), shapes).flatmap(lambda kind: arrays.arrays(kind[0], kind[1]))
places = st.tuples(*[st.integers(0, 1 << 40)] * 3)


def same(first: NDArray[Any], second: NDArray[Any]) -> bool:
    """In type, shape and bits, NaN included."""
    return first.dtype == second.dtype and first.shape == second.shape and first.tobytes() == second.tobytes()


@given(place=places, sent=st.lists(drawn, max_size=6))
def test_what_was_packed_is_unpacked_in_type_shape_and_bits(place: tuple[int, ...], sent: list[Any]) -> None:
    packed = pack(Message(place, sent))
    assert packed.dtype == np.uint8
    assert packed.ndim == 1
    message = unpack(packed)
    assert message.place == place
    assert len(message.arrays) == len(sent)
    assert all(same(first, second) for first, second in zip(message.arrays, sent, strict=True))
    assert payload_bytes(packed) == sum(array.nbytes for array in sent)


@given(sent=st.lists(drawn, max_size=6))
def test_every_received_array_is_aligned_as_torch_aligns_its_own(sent: list[NDArray[Any]]) -> None:
    for array in unpack(pack(Message((1, 2, 3), sent))).arrays:
        assert array.size == 0 or array.ctypes.data % KERNEL_ALIGNMENT == 0


def test_a_message_needs_little_more_than_its_arrays() -> None:
    packed = pack(Message((1, 1, 0), [np.zeros((1024, 256), np.float32), np.zeros(7, np.int32)]))
    assert len(packed) < 1024 * 256 * 4 + 7 * 4 + 512


def test_parts_of_tensors_and_tensors_in_another_order_of_memory_arrive_whole() -> None:
    matrix = torch.arange(24.0).view(4, 6)
    sent = [matrix.T, matrix[:, 1:4], matrix[2], matrix[::2]]
    received = tensors_of(unpack(pack(message_of((0, 0, 0), sent))))
    assert all(torch.equal(first, second) for first, second in zip(received, sent, strict=True))


def test_a_packed_message_is_a_copy_and_asks_for_no_gradient() -> None:
    tensor = torch.zeros(3, requires_grad=True)
    packed = pack(message_of((0, 0, 0), [tensor]))
    with torch.no_grad():
        tensor += 1
    (received,) = tensors_of(unpack(packed))
    assert received.tolist() == [0, 0, 0]
    assert not received.requires_grad


@given(largest=st.integers(0, (1 << 31) - 1), count=st.integers(0, 300), seed=st.integers(0, 99))
def test_ids_arrive_as_they_were_and_take_as_many_bits_as_the_largest(largest: int, count: int, seed: int) -> None:
    ids = np.random.default_rng(seed).integers(0, largest + 1, count, dtype=np.int32)
    ids[:1] = largest
    packed = pack(Message((1, 2, 3), [ids, np.ones(3, np.float32)]))
    assert same(unpack(packed).arrays[0], ids)
    bits = max(1, largest.bit_length())
    groups = (count + 31) // 32  # of 32 ids; and a spare word
    assert payload_bytes(packed) == 12 + (4 * (groups * bits + 1) if count >= 64 and bits <= 28 else 4 * count)


def test_negative_numbers_cross_as_they_are() -> None:
    numbers = np.arange(-1, 99, dtype=np.int32)
    packed = pack(Message((1, 2, 3), [numbers]))
    assert same(unpack(packed).arrays[0], numbers)
    assert payload_bytes(packed) == 400
