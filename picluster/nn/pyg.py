"""Any convolution of PyG as a layer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from picluster.nn.block import Block
from picluster.nn.dropout import Dropout
from picluster.nn.layer import Layer
from picluster.nn.rows import Rows

if TYPE_CHECKING:
    from torch.nn import Module, Parameter

_EDGES_AT_ONCE = 1 << 16
"""PyG makes a row for each edge: outside training, when all neighbours are looked at, so many at a time."""


class PygLayer(Layer):
    """h' = activation(convolution(dropout(h), edges)); for convolutions of one hop, with parameters in their sums.

    Rows of all sources cross the cut before it, not only the targets': wide, unlike picluster's own layers. The
    convolution sees a bipartite block where it takes one, else the square graph of the block's sources.
    """

    wide = True

    def __init__(
        self,
        convolution: Module,
        *,
        dropout: float = 0.0,
        activation: Callable[[Tensor], Tensor] = torch.relu,
        last: bool = False,
    ) -> None:
        """`last`: without activation. ValueError where the convolution has dropout of its own."""
        super().__init__()
        if getattr(convolution, "dropout", 0):
            message = f"{type(convolution).__name__} would drop other values under every plan: PygLayer(…, dropout=…)"
            raise ValueError(message)
        self.dropout = Dropout(dropout)
        self.convolution = convolution
        self.activation, self.last = activation, last
        self._is_gcn = type(convolution).__name__ == "GCNConv" and bool(convolution.normalize)
        if self._is_gcn:  # it would take the degrees of the block for those of the graph
            convolution.normalize = False  # type: ignore[assignment]
        self._bipartite: bool | None = None

    @property
    def title(self) -> str:
        """With the convolution's name."""
        return f"PygLayer({type(self.convolution).__name__})"

    def aggregate(self, block: Block, rows: Rows) -> Rows:
        """`h` (S, inputs) → `h` (T, outputs)."""
        source = rows["h"]
        if self._bipartite is None:
            self._bipartite = not self._is_gcn and self._takes_bipartite(source.shape[1])
        if block.source_ids is not None:
            return block.rows(h=self._convolve(block, self.dropout(rows.having(h=source))["h"]))
        at_once = len(block.neighbours) if torch.is_grad_enabled() else _EDGES_AT_ONCE
        parts = []
        for piece in block.pieces(at_once):
            local = piece.gathered()
            assert local.source_ids is not None
            h = source.index_select(0, local.source_ids).float()
            parts.append(self._convolve(local, self.dropout(Rows({"h": h}, local.source_ids, rows.dropout_key))["h"]))
        return block.rows(h=torch.cat(parts))

    def transform(self, rows: Rows) -> Rows:
        """The activation."""
        return rows if self.last else rows.having(h=self.activation(rows["h"]))

    def weights(self) -> Mapping[str, Parameter]:
        """The convolution's own."""
        return dict(self.convolution.named_parameters())

    def _convolve(self, block: Block, h: Tensor) -> Tensor:
        targets = torch.arange(len(block.ids))
        edges = torch.stack([block.neighbours.long(), torch.repeat_interleave(targets, block.counts.long())])
        result: Tensor
        if self._is_gcn:
            edges, weights = _gcn_edges(block, edges, self_loops=bool(self.convolution.add_self_loops))
            result = self.convolution(h, edges, weights)
        elif self._bipartite:
            result = self.convolution((h, h[: len(targets)]), edges)
        else:
            result = self.convolution(h, edges)
        return result[: len(targets)]

    @torch.no_grad()
    def _takes_bipartite(self, width: int) -> bool:
        """Tried out on four nodes. ValueError where a target's row depends on more than its own edges."""
        h = torch.linspace(-1, 1, 4 * width).view(4, width).sin()
        edges = torch.tensor([[1, 2], [0, 0]])
        expected = self.convolution(h, edges)[0]
        further = torch.cat([edges, torch.tensor([[3], [1]])], dim=1)
        if not torch.allclose(self.convolution(h, further)[0], expected, atol=1e-6):
            message = (
                f"{type(self.convolution).__name__} looks further than a node's own edges: use a layer for each hop"
            )
            raise ValueError(message)
        try:
            return torch.allclose(self.convolution((h, h[:1]), edges)[0], expected, atol=1e-6)
        except Exception:  # noqa: BLE001  every convolution refuses in its own way
            return False


def _gcn_edges(block: Block, edges: Tensor, *, self_loops: bool) -> tuple[Tensor, Tensor]:
    """Edges with `GCNConv`'s weights by the degrees of the whole graph; sampled ones stand for all."""
    degrees = block.target_degrees()
    own = _inverse_root(degrees + int(self_loops))
    sampled = degrees / block.counts.clamp(min=1)
    weights = _inverse_root(block.neighbour_degrees() + int(self_loops)) * (own * sampled)[edges[1]]
    if self_loops:
        loops = torch.arange(len(block.ids))
        edges, weights = torch.cat([edges, loops.repeat(2, 1)], dim=1), torch.cat([weights, own * own])
    return edges, weights


def _inverse_root(degrees: Tensor) -> Tensor:
    """Of each degree; 0 where there is none."""
    return degrees.float().rsqrt().masked_fill(degrees == 0, 0.0)
