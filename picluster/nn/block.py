"""Rows that flow between layers, and blocks: sampled neighbourhoods with the fused kernels over them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

import torch
from torch import Tensor

from picluster.nn.bags import bag_means, bag_sums
from picluster.randomness import Key


@dataclass(frozen=True)
class Draws:
    """Numbers of the dropout masks that one call of a layer draws, so that no two are alike."""

    half: int = 0
    """0 in `transform`, 1 in `aggregate`."""
    _taken: Counter[int] = field(default_factory=Counter)

    def next(self, drawer: int) -> tuple[int, int, int]:
        """(drawer, half, number) of the next mask; the masks of each drawer are counted by themselves."""
        self._taken[drawer] += 1
        return drawer, self.half, self._taken[drawer] - 1


@dataclass(frozen=True)
class Rows:
    """Named tensors with one row for each of the same N nodes."""

    tensors: Mapping[str, Tensor]
    """Each (N, width), fp32; at the first layer `h` is the whole feature table in its own type."""
    ids: Tensor
    """(N,) int32: the nodes' numbers in the whole graph."""
    dropout_key: Key | None = None
    """Key of this step and layer; None outside training."""
    draws: Draws = field(default_factory=Draws, compare=False, repr=False)
    """Masks drawn so far in this call of the layer."""

    def __getitem__(self, name: str) -> Tensor:
        return self.tensors[name]

    def having(self, /, **tensors: Tensor) -> Rows:
        """The same nodes with other tensors."""
        return replace(self, tensors=tensors)

    def copy(self) -> Rows:
        """The same values in tensors of their own."""
        return self.having(**{name: tensor.clone() for name, tensor in self.tensors.items()})

    def widths(self) -> dict[str, int]:
        """Width of each tensor."""
        return {name: tensor.shape[1] for name, tensor in self.tensors.items()}


@dataclass(frozen=True, eq=False)
class Block:
    """T targets and their E sampled neighbours, which are row numbers of a source.

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
        """(T,) int32: beginning of each target's neighbours."""
        return torch.cumsum(self.counts, 0, dtype=torch.int32) - self.counts

    def targets(self, source: Tensor) -> Tensor:
        """The targets' own rows of `source` (S, width), in fp32: (T, width)."""
        own = source.index_select(0, self.ids) if self.source_ids is None else source[: len(self.ids)]
        return own.float()

    def mean(self, source: Tensor) -> Tensor:
        """Mean of each target's neighbours in `source` (S, width), in fp32: (T, width); zeros where there is none."""
        return bag_means(source, self.neighbours, self.counts, self.offsets)

    def weighted_sum(self, source: Tensor, weights: Tensor) -> Tensor:
        """Sum of each target's neighbours in `source` (S, width) times `weights` (E,), in fp32: (T, width)."""
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
        """Pieces of successive targets with about `edges` edges each; at least one piece."""
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
        """(T,) int32: degrees of the targets in the whole graph."""
        return self.graph_degrees.index_select(0, self.ids)

    def neighbour_degrees(self) -> Tensor:
        """(E,) int32: degrees of the sampled neighbours in the whole graph."""
        nodes = self.neighbours if self.source_ids is None else self.source_ids.index_select(0, self.neighbours)
        return self.graph_degrees.index_select(0, nodes)

    def rows(self, /, **tensors: Tensor) -> Rows:
        """Rows of the targets, from tensors (T, width)."""
        return Rows(tensors, self.ids)
