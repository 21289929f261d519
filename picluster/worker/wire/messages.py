"""A message: where it belongs in the run, and its arrays. Packed into bytes for every engine alike.

Many ids take as many bits as the largest of them needs: 18 of 32 where there are 233 thousand nodes. Needs numpy alone:
a node that only samples never imports torch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from picluster.graph.packing import bits_for, pack_ids, unpack_ids, words_for
from picluster.worker.engines.base import ALIGNMENT, Bytes, empty_bytes

_TYPES = tuple(map(np.dtype, ("u1", "i4", "i8", "f4", "f8", "f2", "i1")))
_HEAD_WORDS = 4  # three of the place, and the number of arrays
_LINE_WORDS = 3  # type, rows, width
_PACKED = 64
"""Type of ids that are packed: this, and the number of bits of each."""
_FEWEST_PACKED, _MOST_BITS = 64, 28
"""Fewer ids, or ids of more bits, save next to nothing."""
_VECTOR = -1  # stands for "no second dimension"


@dataclass(frozen=True)
class Message:
    """The unit that crosses between two workers."""

    place: tuple[int, ...]
    """Three numbers, such as (epoch, step, micro-batch); the receiver checks them."""
    arrays: Sequence[NDArray[Any]]
    """Each (n,) or (n, width)."""


def pack(message: Message) -> Bytes:
    """Write a message as bytes: place and number of arrays, a line for each array, then their values."""
    head, parts = [*message.place, len(message.arrays)], []
    for array in message.arrays:
        bits = _bits_of(array)
        kind = _PACKED + bits if bits else _TYPES.index(array.dtype)
        head += [kind, array.shape[0], array.shape[1] if array.ndim > 1 else _VECTOR]
        parts.append(pack_ids(array, bits) if bits else array)
    parts = [np.array(head, np.int64), *parts]
    packed, at = empty_bytes(sum(_aligned(part.nbytes) for part in parts)), 0
    for part in parts:
        end = at + part.nbytes
        packed[at:end].view(part.dtype).reshape(part.shape)[...] = part
        at += _aligned(part.nbytes)
        packed[end:at] = 0
    return packed


def unpack(packed: Bytes) -> Message:
    """Read a message from its bytes; its arrays share the memory of `packed`, but for ids that are packed."""
    place, lines = _head_of(packed)
    at, arrays = _aligned((_HEAD_WORDS + _LINE_WORDS * len(lines)) * 8), list[NDArray[Any]]()
    for kind, rows, width in lines:
        size = _size(kind, rows, width)
        content = packed[at : at + size]
        if kind > _PACKED:
            arrays.append(unpack_ids(content.view("<u4"), rows, kind - _PACKED))
        else:
            arrays.append(content.view(_TYPES[kind]).reshape((rows,) if width == _VECTOR else (rows, width)))
        at += _aligned(size)
    return Message(place, arrays)


def payload_bytes(packed: Bytes) -> int:
    """Size of the arrays of a packed message alone, as they cross."""
    return sum(_size(*line) for line in _head_of(packed)[1])


def _head_of(packed: Bytes) -> tuple[tuple[int, ...], list[list[int]]]:
    """Place, and a line for each array: type, rows, width."""
    *place, count = packed[: _HEAD_WORDS * 8].view(np.int64).tolist()
    end = (_HEAD_WORDS + _LINE_WORDS * count) * 8
    lines: list[list[int]] = packed[_HEAD_WORDS * 8 : end].view(np.int64).reshape(count, _LINE_WORDS).tolist()
    return tuple(place), lines


def _aligned(size: int) -> int:
    return size + -size % ALIGNMENT


def _size(kind: int, rows: int, width: int) -> int:
    if kind > _PACKED:
        return words_for(rows, kind - _PACKED) * 4
    return _TYPES[kind].itemsize * rows * (1 if width == _VECTOR else width)


def _bits_of(array: NDArray[Any]) -> int:
    """Number of bits into which an array's ids are packed; 0 for an array that crosses as it is."""
    if array.dtype != np.int32 or array.ndim != 1 or len(array) < _FEWEST_PACKED or int(array.min()) < 0:
        return 0
    bits = bits_for(int(array.max()) + 1)
    return bits if bits <= _MOST_BITS else 0
