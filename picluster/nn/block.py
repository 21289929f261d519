"""A block: the sampled neighbourhood of one layer's targets, and the fused kernels over it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property

import torch
from torch import Tensor

from picluster.nn.bags import bag_means, bag_sums
from picluster.nn.rows import Rows


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
        """Mean of each target's neighbours, added up in fp32: (T, width); zeros where there is none."""
        return bag_means(source, self.neighbours, self.counts, self.offsets)

    def weighted_sum(self, source: Tensor, weights: Tensor) -> Tensor:
        """Sum of each target's neighbours times `weights` (E,), added up in fp32: (T, width)."""
        return bag_sums(source, self.neighbours, self.counts, self.offsets, weights)

    def gathered(self) -> Block:
        """The same block over a source of its own: rows of the targets first, then of their other neighbours."""
        count = len(self.ids)
        position = torch.full_like(self.graph_degrees, -1)
        position[self.ids] = torch.arange(count, dtype=torch.int32)
        others = torch.unique(self.neighbours[position.index_select(0, self.neighbours) < 0])
        position[others] = torch.arange(count, count + len(others), dtype=torch.int32)
        positions = position.index_select(0, self.neighbours)
        return replace(self, neighbours=positions, source_ids=torch.cat([self.ids, others]))

    def pieces(self, edges: int) -> Iterator[Block]:
        """The block in pieces of successive targets with about that many edges; at least one piece."""
        ends = torch.cumsum(self.counts, 0)
        begin, first = 0, 0
        while True:
            end = max(begin + 1, int(torch.searchsorted(ends, first + edges, right=True)))
            end = min(end, len(self.ids))
            last = int(ends[end - 1]) if end else 0
            yield replace(
                self, ids=self.ids[begin:end], counts=self.counts[begin:end], neighbours=self.neighbours[first:last]
            )
            begin, first = end, last
            if begin >= len(self.ids):
                return

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
