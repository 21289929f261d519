"""Blocks of a micro-batch, as a stage reads them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from picluster.nn import Block
from picluster.worker.compute.stage import MicroBatch
from picluster.worker.wire.messages import Message
from picluster.worker.wire.tensors import tensors_of

if TYPE_CHECKING:
    from torch import Tensor


def micro_batch_of(message: Message, aggregated: range, graph_degrees: Tensor) -> MicroBatch:
    """Read what the sampler's `message_for` wrote; `aggregated` are the layers whose `aggregate` the stage runs."""
    ids, *rest = tensors_of(message)
    blocks = {}
    for number, counts, neighbours in zip(aggregated, rest[::2], rest[1::2], strict=True):
        blocks[number] = Block(
            ids=ids[: len(counts)],
            counts=counts,
            neighbours=neighbours,
            source_ids=None if number == 1 else ids,
            graph_degrees=graph_degrees,
        )
    return MicroBatch(ids, blocks)
