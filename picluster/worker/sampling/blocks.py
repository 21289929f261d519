"""Blocks of a micro-batch, as the sampler writes them for each stage."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from picluster.worker.sampling.sampler import Sample
from picluster.worker.wire.messages import Message

if TYPE_CHECKING:
    from numpy.typing import NDArray


def message_for(sample: Sample, first: int, aggregated: range, place: tuple[int, ...]) -> Message:
    """Pack the part of a micro-batch's sample that a stage needs: ids, never features.

    `first` is the stage's first layer, from 1; `aggregated` are the layers whose `aggregate` it runs.
    """
    # Features are read in place: the first layer's sources need no ids of their own.
    begins_with = first - 2 if first in aggregated and first > 1 else first - 1
    arrays: list[NDArray[Any]] = [sample.ids[: sample.frontiers[begins_with]]]
    for number in aggregated:
        hop = sample.hops[number - 1]
        arrays += [hop.counts, hop.neighbours]
    return Message(place, arrays)
