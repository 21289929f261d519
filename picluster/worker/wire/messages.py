"""A message: where it belongs in the run, and its tensors. Packed into bytes for every engine alike."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

_TYPES = (torch.uint8, torch.int32, torch.int64, torch.float32, torch.float64, torch.float16, torch.int8)
# As torch aligns its own memory: BLAS may add in another order where its operands are aligned otherwise.
_ALIGNMENT = 64
_HEAD_WORDS = 4  # three of the place, and the number of tensors
_LINE_WORDS = 3  # type, rows, width
_NO_BYTES = torch.empty(0, dtype=torch.uint8)
_VECTOR = -1  # stands for "no second dimension"


@dataclass(frozen=True)
class Message:
    """The unit that crosses between two workers."""

    place: tuple[int, ...]
    """Three numbers, such as (epoch, step, micro-batch); the receiver checks them."""
    tensors: Sequence[Tensor]
    """Each (n,) or (n, width)."""

    def payload_bytes(self) -> int:
        """Size of the tensors alone."""
        return sum(tensor.nbytes for tensor in self.tensors)


def pack(message: Message) -> Tensor:
    """Write a message as bytes (n,) uint8: place and number of tensors, a line for each tensor, then their values."""
    head = [*message.place, len(message.tensors)]
    for tensor in message.tensors:
        head += [_TYPES.index(tensor.dtype), tensor.shape[0], tensor.shape[1] if tensor.dim() > 1 else _VECTOR]
    parts = []
    for tensor in (torch.tensor(head), *message.tensors):
        # numpy's empty arrays have stride 0, which no other type can view.
        flat = tensor.detach().contiguous().view(-1).view(torch.uint8) if tensor.numel() else _NO_BYTES
        parts += [flat, flat.new_zeros(-len(flat) % _ALIGNMENT)]
    return torch.cat(parts)


def unpack(packed: Tensor) -> Message:
    """Read a message from its bytes; its tensors share the memory of `packed`."""
    words = packed[: _HEAD_WORDS * 8].view(torch.int64).tolist()
    place, count = tuple(words[:-1]), words[-1]
    at = (_HEAD_WORDS + _LINE_WORDS * count) * 8
    lines = packed[_HEAD_WORDS * 8 : at].view(torch.int64).view(count, _LINE_WORDS).tolist()
    at += -at % _ALIGNMENT
    tensors = []
    for kind, rows, width in lines:
        shape = (rows,) if width == _VECTOR else (rows, width)
        size = _TYPES[kind].itemsize * math.prod(shape)
        tensors.append(packed[at : at + size].view(_TYPES[kind]).view(shape))
        at += size + -size % _ALIGNMENT
    return Message(place, tensors)
