"""A block: the sampled neighbourhood of one layer's targets, and the fused kernels over it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor
from torch.nn.functional import embedding_bag

from picluster.nn.rows import Rows

_SAFE_FP16_TERMS = 256
"""Sums of so many fp16 values stay in range while each is below 255."""


@dataclass(frozen=True, eq=False)
class Block:
    """For T targets: E sampled neighbours, as row numbers of the source.

    The source is either the whole graph's feature table (first layer) or the rows of the layer before, whose first T
    rows are the targets themselves (frontiers are nested).
    """

    ids: Tensor
    """(T,) int32: the targets' numbers in the whole graph."""
    counts: Tensor
    """(T,) integers: sampled neighbours of each target."""
    neighbours: Tensor
    """(E,) int32: row numbers of the source, target after target."""
    source_ids: Tensor | None
    """(S,) int32: the source rows' numbers in the whole graph; None where row i is node i."""
    graph_degrees: Tensor
    """(N,) int32: neighbours of every node in the whole graph."""

    @cached_property
    def offsets(self) -> Tensor:
        """(T,) int32: where each target's neighbours begin."""
        return torch.cumsum(self.counts, 0, dtype=torch.int32) - self.counts

    def targets(self, source: Tensor) -> Tensor:
        """The targets' own rows of `source` (S, width), in fp32: (T, width)."""
        own = source.index_select(0, self.ids) if self.source_ids is None else source[: len(self.ids)]
        return own.float()

    def mean(self, source: Tensor) -> Tensor:
        """Mean of each target's neighbours, in fp32: (T, width); zeros where there is none."""
        if source.dtype != torch.float16 or int(self.counts.max()) <= _SAFE_FP16_TERMS:
            return embedding_bag(self.neighbours, source, self.offsets, mode="mean").float()
        # The kernel keeps the sum in fp16 before it divides, and it would overflow. A power of two scales exactly.
        counts = self.counts.clamp(min=1).float()
        scales = torch.exp2(-torch.ceil(torch.log2(counts)))
        sums = self.weighted_sum(source, torch.repeat_interleave(scales, self.counts.long()))
        return sums / (scales * counts)[:, None]

    def weighted_sum(self, source: Tensor, weights: Tensor) -> Tensor:
        """Sum of each target's neighbours times `weights` (E,), in fp32: (T, width).

        The kernel wants weights in the table's own type; keep them well inside fp16's normal range.
        """
        weights = weights.to(source.dtype)
        return embedding_bag(self.neighbours, source, self.offsets, mode="sum", per_sample_weights=weights).float()

    def target_degrees(self) -> Tensor:
        """(T,) int32: the targets' neighbours in the whole graph."""
        return self.graph_degrees.index_select(0, self.ids)

    def neighbour_degrees(self) -> Tensor:
        """(E,) int32: the sampled neighbours' neighbours in the whole graph."""
        nodes = self.neighbours if self.source_ids is None else self.source_ids.index_select(0, self.neighbours)
        return self.graph_degrees.index_select(0, nodes)

    def rows(self, /, **tensors: Tensor) -> Rows:
        """Rows of the targets."""
        return Rows(tensors, self.ids)
