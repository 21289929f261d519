"""What the sampler tells each stage of a micro-batch, and how the stage reads it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from picluster.nn import Block
from picluster.worker.messages import Message

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from picluster.worker.sampler import Sample


def message_for(sample: Sample, layers: Sequence[int], place: tuple[int, ...]) -> Message:
    """The part of a sample that the stage with `layers` (counted from 1) needs: ids, never features.

    The stage runs `transform` of its layers and `aggregate` of the layer after each, so it needs the blocks of the
    layers one further; the first stage also runs the first `aggregate`.
    """
    ids = sample.ids[: sample.frontiers[layers[0] - 1]]
    tensors = [torch.from_numpy(ids)]
    for number in _aggregated_by(layers, len(sample.hops)):
        hop = sample.hops[number - 1]
        tensors += [torch.from_numpy(hop.counts), torch.from_numpy(hop.neighbours)]
    return Message(place, tensors)


@dataclass(frozen=True)
class MicroBatch:
    """What one stage knows of a micro-batch."""

    ids: Tensor
    """(T,) int32: targets of the stage's first layer; later layers' targets come first among them."""
    blocks: dict[int, Block]
    """By the number of the layer (from 1) that aggregates with it."""


def read(message: Message, layers: Sequence[int], depth: int, graph_degrees: Tensor) -> MicroBatch:
    """The inverse of `message_for`."""
    ids, *rest = message.tensors
    blocks = {}
    for place, number in enumerate(_aggregated_by(layers, depth)):
        counts, neighbours = rest[2 * place], rest[2 * place + 1]
        blocks[number] = Block(
            ids=ids[: len(counts)],
            counts=counts,
            neighbours=neighbours,
            source_ids=None if number == 1 else ids,
            graph_degrees=graph_degrees,
        )
    return MicroBatch(ids, blocks)


def _aggregated_by(layers: Sequence[int], depth: int) -> list[int]:
    """Numbers of the layers whose `aggregate` a stage runs."""
    first = [1] if layers[0] == 1 else []
    return first + [layer + 1 for layer in layers if layer < depth]
