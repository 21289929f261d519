"""A block: the sampled neighbourhood of one layer's targets, and the fused kernels over it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property

import torch
from torch import Tensor
from torch.nn.functional import embedding_bag

from picluster.nn.rows import Rows

_SAFE_FP16_TERMS = 256
"""Sums of so many fp16 values stay in range while each is below 255."""


_CONVERTED_VALUES = 1 << 23
"""An fp16 table that is added up in fp32 is converted by so many values at a time: 32 MiB."""


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
    exact: bool = False
    """Whether rows in fp16 are added up in fp32: slower, unless the block has many more edges than the table rows."""

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
        if source.dtype == torch.float16 and self.exact:
            return self._add_up_in_fp32(source, "mean", None)
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
        if source.dtype == torch.float16 and self.exact:
            return self._add_up_in_fp32(source, "sum", weights)
        weights = weights.to(source.dtype)
        return embedding_bag(self.neighbours, source, self.offsets, mode="sum", per_sample_weights=weights).float()

    def _add_up_in_fp32(self, source: Tensor, mode: str, weights: Tensor | None) -> Tensor:
        """Part by part, since the whole table in fp32 would need twice its memory once more."""
        width = source.shape[1]
        sums = torch.empty(len(self.ids), width)
        if len(self.neighbours) >= len(source):  # nearly every row is wanted: convert some columns of all
            columns = max(16, _CONVERTED_VALUES // len(source) // 16 * 16)
            for begin in range(0, width, columns):
                part = slice(begin, begin + columns)
                table = source[:, part].float()
                sums[:, part] = embedding_bag(
                    self.neighbours, table, self.offsets, mode=mode, per_sample_weights=weights
                )
            return sums
        target, edge = 0, 0
        for piece in self.pieces(_CONVERTED_VALUES // width):  # convert the rows that some targets want
            ids, places = torch.unique(piece.neighbours, return_inverse=True)
            edges = slice(edge, edge + len(places))
            found = embedding_bag(
                places,
                source.index_select(0, ids).float(),
                piece.offsets.long(),
                mode=mode,
                per_sample_weights=None if weights is None else weights[edges],
            )
            sums[target : target + len(found)] = found
            target, edge = target + len(found), edges.stop
        return sums

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
