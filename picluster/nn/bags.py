"""Means and sums over bags of rows, in fp32 whatever the table's type.

torch's kernel gives an fp16 table's sums in fp16: infinite beyond 65,504, and rounded to 11 bits. The bits of a bag's
result depend on its own members alone, never on other bags that are computed at the same time.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import embedding_bag

_PART = 256
"""Largest number of terms added one after another: in fp32, 20,000 equal terms would lose 3e-4."""
_CONVERTED_VALUES = 1 << 19
"""Number of values converted to fp32 at a time: 2 MiB, which stay in the cache."""


def bag_means(source: Tensor, members: Tensor, counts: Tensor, offsets: Tensor) -> Tensor:
    """Mean of each bag's rows: (B, width); zeros for an empty bag.

    Args:
        source: (S, width), in any floating type, or features in int8; gradients flow where it is fp32 or fp64.
        members: (E,) int32, row numbers of `source`, bag after bag.
        counts: (B,) integers, members of each bag.
        offsets: (B,) int32, first member of each bag.
    """
    parts = _parts(counts)
    if len(offsets) == int(parts.sum()):
        return _reduced(source, members, offsets, "mean", None)
    begins = _begins(offsets, parts)
    found = _reduced(source, members, begins, "mean", None)
    sizes = torch.diff(begins, append=begins.new_tensor([len(members)]))
    shares = sizes / torch.repeat_interleave(counts.clamp(min=1), parts)  # exactly 1 where a bag is one part
    return _joined(found, parts, shares)


def bag_sums(source: Tensor, members: Tensor, counts: Tensor, offsets: Tensor, weights: Tensor) -> Tensor:
    """Sum of each bag's rows times `weights` (E,): (B, width). The arguments are those of `bag_means`."""
    parts = _parts(counts)
    if len(offsets) == int(parts.sum()):
        return _reduced(source, members, offsets, "sum", weights)
    found = _reduced(source, members, _begins(offsets, parts), "sum", weights)
    return _joined(found, parts, None)


def _parts(counts: Tensor) -> Tensor:
    """Number of parts in which each bag is added up: (B,), at least 1."""
    return ((counts.long() + (_PART - 1)) // _PART).clamp(min=1)


def _begins(offsets: Tensor, parts: Tensor) -> Tensor:
    """First member of each part: (parts.sum(),) int32, in steps of `_PART` from the first member of its bag."""
    first = torch.cumsum(parts, 0) - parts
    number = torch.arange(int(parts.sum())) - torch.repeat_interleave(first, parts)
    return (torch.repeat_interleave(offsets.long(), parts) + number * _PART).int()


def _joined(found: Tensor, parts: Tensor, shares: Tensor | None) -> Tensor:
    """Sum of the rows of each bag's parts, times their share of the bag: (B, width)."""
    weights = None if shares is None else shares.to(found.dtype)
    first = torch.cumsum(parts, 0) - parts
    return embedding_bag(torch.arange(len(found)), found, first, mode="sum", per_sample_weights=weights)


def _reduced(source: Tensor, members: Tensor, begins: Tensor, mode: str, weights: Tensor | None) -> Tensor:
    """Mean or sum of each bag: in place where the kernel can, else from rows that are gathered and converted."""
    if source.dtype in (torch.float32, torch.float64):
        weights = None if weights is None else weights.to(source.dtype)
        return embedding_bag(members, source, begins, mode=mode, per_sample_weights=weights)
    result = torch.empty(len(begins), source.shape[1])
    columns = _CONVERTED_VALUES // _PART
    for left in range(0, source.shape[1], columns):
        wanted = slice(left, left + columns)
        _convert_and_reduce(source[:, wanted], members, begins, mode, weights, result[:, wanted])
    return result


def _convert_and_reduce(
    source: Tensor, members: Tensor, begins: Tensor, mode: str, weights: Tensor | None, result: Tensor
) -> None:
    """Fill `result` (B, width), with as many bags at a time as may be converted together."""
    most = max(_PART, _CONVERTED_VALUES // source.shape[1])
    places = torch.arange(min(most, len(members)), dtype=torch.int32)
    ends = torch.cat([begins[1:], begins.new_tensor([len(members)])])[: len(begins)]
    bag = 0
    while bag < len(begins):
        first = int(begins[bag])
        after = int(torch.searchsorted(ends, first + most, right=True))
        last = int(ends[after - 1])
        result[bag:after] = embedding_bag(
            places[: last - first],
            source.index_select(0, members[first:last]).float(),
            begins[bag:after] - first,
            mode=mode,
            per_sample_weights=None if weights is None else weights[first:last].float(),
        )
        bag = after
