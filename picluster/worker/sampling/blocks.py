"""Blocks of a micro-batch: written by the sampler for each stage, and read there."""

from __future__ import annotations

import torch
from torch import Tensor

from picluster.nn import Block
from picluster.worker.compute.stage import MicroBatch
from picluster.worker.sampling.sampler import Sample
from picluster.worker.wire.messages import Message


def message_for(sample: Sample, first: int, aggregated: range, place: tuple[int, ...]) -> Message:
    """Pack the part of a micro-batch's sample that a stage needs: ids, never features.

    `first` is the stage's first layer, from 1; `aggregated` are the layers whose `aggregate` it runs.
    """
    # Features are read in place: the first layer's sources need no ids of their own.
    begins_with = first - 2 if first in aggregated and first > 1 else first - 1
    tensors = [torch.from_numpy(sample.ids[: sample.frontiers[begins_with]])]
    for number in aggregated:
        hop = sample.hops[number - 1]
        tensors += [torch.from_numpy(hop.counts), torch.from_numpy(hop.neighbours)]
    return Message(place, tensors)


def micro_batch_of(message: Message, aggregated: range, graph_degrees: Tensor) -> MicroBatch:
    """Unpack what `message_for` packed."""
    ids, *rest = message.tensors
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
