"""Messages of tensors, for roles that compute with torch. Nothing is copied."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from picluster.worker.wire.messages import Message


def message_of(place: tuple[int, ...], tensors: Sequence[Tensor]) -> Message:
    """Make a message of tensors, each (n,) or (n, width)."""
    return Message(place, [tensor.detach().numpy() for tensor in tensors])


def tensors_of(message: Message) -> list[Tensor]:
    """Read a message's arrays as tensors, which share their memory."""
    return [torch.from_numpy(array) for array in message.arrays]
