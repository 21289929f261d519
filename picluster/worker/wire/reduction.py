"""Sums over the replicas of a stage."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from picluster.worker.wire.links import Channel
from picluster.worker.wire.messages import Message

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from picluster.worker.wire.links import Links


def ring_sum(
    links: Links, ranks: Sequence[int], vector: Tensor, place: tuple[int, ...], channel: Channel = Channel.REDUCE
) -> None:
    """Sum `vector` (n,) over the workers `ranks`, in place: a ring of scatter-reduce, then one of gathering.

    Each worker sends 2 (R - 1) / R of the vector (Patarasuk and Yuan, "Bandwidth optimal all-reduce", 2009). It is
    written over plain messages so that every engine has it.
    """
    size = len(ranks)
    if size == 1:
        return
    me = list(ranks).index(links.rank)
    following, before = ranks[(me + 1) % size], ranks[(me - 1) % size]
    chunks = torch.tensor_split(vector, size)
    for turn in range(2 * (size - 1)):
        # The chunk is changed in a later turn, perhaps before it has left: pack() has copied it by then.
        links.send(following, channel, Message(place, [chunks[(me - turn) % size]]))
        received = links.receive(before, channel, place).tensors[0]
        target = chunks[(me - turn - 1) % size]
        if turn < size - 1:
            target += received
        else:
            target.copy_(received)
