"""A message: where it belongs in the run, and its tensors. Packed into bytes for every engine alike.

Many ids take as many bits as the largest of them needs: 18 of 32 where there are 233 thousand nodes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from picluster.graph.packing import bits_for, pack_ids, unpack_ids, words_for

_TYPES = (torch.uint8, torch.int32, torch.int64, torch.float32, torch.float64, torch.float16, torch.int8)
# As torch aligns its own memory: BLAS may add in another order where its operands are aligned otherwise.
_ALIGNMENT = 64
_HEAD_WORDS = 4  # three of the place, and the number of tensors
_LINE_WORDS = 3  # type, rows, width
_PACKED = 64
"""Type of ids that are packed: this, and the number of bits of each."""
_FEWEST_PACKED, _MOST_BITS = 64, 28
"""Fewer ids, or ids of more bits, save next to nothing."""
_NO_BYTES = torch.empty(0, dtype=torch.uint8)
_VECTOR = -1  # stands for "no second dimension"


@dataclass(frozen=True)
class Message:
    """The unit that crosses between two workers."""

    place: tuple[int, ...]
    """Three numbers, such as (epoch, step, micro-batch); the receiver checks them."""
    tensors: Sequence[Tensor]
    """Each (n,) or (n, width)."""


def pack(message: Message) -> Tensor:
    """Write a message as bytes (n,) uint8: place and number of tensors, a line for each tensor, then their values."""
    head, content = [*message.place, len(message.tensors)], []
    for tensor in message.tensors:
        bits = _bits_of(tensor)
        kind = _PACKED + bits if bits else _TYPES.index(tensor.dtype)
        head += [kind, tensor.shape[0], tensor.shape[1] if tensor.dim() > 1 else _VECTOR]
        content.append(torch.from_numpy(pack_ids(tensor.numpy(), bits).view("i4")) if bits else tensor)
    parts = []
    for tensor in (torch.tensor(head), *content):
        # numpy's empty arrays have stride 0, which no other type can view.
        flat = tensor.detach().contiguous().view(-1).view(torch.uint8) if tensor.numel() else _NO_BYTES
        parts += [flat, flat.new_zeros(-len(flat) % _ALIGNMENT)]
    return torch.cat(parts)


def unpack(packed: Tensor) -> Message:
    """Read a message from its bytes; its tensors share the memory of `packed`, but for ids that are packed."""
    place, lines = _head_of(packed)
    at = (_HEAD_WORDS + _LINE_WORDS * len(lines)) * 8
    at += -at % _ALIGNMENT
    tensors = []
    for kind, rows, width in lines:
        shape = (rows,) if width == _VECTOR else (rows, width)
        size = _size(kind, rows, width)
        content = packed[at : at + size]
        if kind > _PACKED:
            tensors.append(torch.from_numpy(unpack_ids(content.numpy().view("<u4"), rows, kind - _PACKED)))
        else:
            tensors.append(content.view(_TYPES[kind]).view(shape))
        at += size + -size % _ALIGNMENT
    return Message(place, tensors)


def payload_bytes(packed: Tensor) -> int:
    """Size of the tensors of a packed message alone, as they cross."""
    return sum(_size(*line) for line in _head_of(packed)[1])


def _head_of(packed: Tensor) -> tuple[tuple[int, ...], list[list[int]]]:
    """Place, and a line for each tensor: type, rows, width."""
    *place, count = packed[: _HEAD_WORDS * 8].view(torch.int64).tolist()
    end = (_HEAD_WORDS + _LINE_WORDS * count) * 8
    lines: list[list[int]] = packed[_HEAD_WORDS * 8 : end].view(torch.int64).view(count, _LINE_WORDS).tolist()
    return tuple(place), lines


def _size(kind: int, rows: int, width: int) -> int:
    if kind > _PACKED:
        return words_for(rows, kind - _PACKED) * torch.int32.itemsize
    return _TYPES[kind].itemsize * rows * (1 if width == _VECTOR else width)


def _bits_of(tensor: Tensor) -> int:
    """Number of bits into which a tensor's ids are packed; 0 for a tensor that crosses as it is."""
    if tensor.dtype != torch.int32 or tensor.dim() != 1 or len(tensor) < _FEWEST_PACKED or int(tensor.min()) < 0:
        return 0
    bits = bits_for(int(tensor.max()) + 1)
    return bits if bits <= _MOST_BITS else 0
