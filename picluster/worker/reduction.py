"""Sums whose result does not depend on the order of addition, within a worker and among replicas."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from picluster.worker.links import Channel
from picluster.worker.messages import Message

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from picluster.worker.links import Links

_QUANTUM_BITS = 46
# Adding this and taking it away again rounds an fp64 number to a multiple of 2^-46.
_ROUNDER = 1.5 * 2.0 ** (52 - _QUANTUM_BITS)


def summand(values: Tensor) -> Tensor:
    """`values` in fp64, rounded to multiples of 2⁻⁴⁶ ≈ 1.4e-14, so that sums of them are exact in any order.

    Exact while single values stay below 32 and sums below 128; beyond, sums are ordinary fp64 sums. Pre-rounding is
    the method of reproducible summation (Demmel and Nguyen, "Fast reproducible floating-point summation", 2013).
    """
    return (values.double() + _ROUNDER).sub_(_ROUNDER)


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
