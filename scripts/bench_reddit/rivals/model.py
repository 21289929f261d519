"""GraphSAGE of PyG's layers, or of DGL's, on whole subgraphs or on bipartite blocks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import dropout
from torch_geometric.nn import SAGEConv  # type: ignore[import-untyped]

from scripts.bench_reddit.records import DROPOUT, HIDDEN, Kind


class Graph(NamedTuple):
    """Graph of one layer."""

    adjacency: Any
    """List of edges (2, E), sparse matrix of torch, SparseTensor of torch-sparse, or block of DGL."""
    targets: int | None
    """Number of rows that come out, the first ones of those that go in; None: all."""


class Batch(NamedTuple):
    """Seeds of a step, with all that they need."""

    features: Tensor
    """(S, F), the seeds' first."""
    graphs: Sequence[Graph]
    """One for each layer, first layer first."""
    labels: Tensor
    """(B,) of the seeds."""


class _DglConv(torch.nn.Module):
    """DGL's SAGEConv, called as PyG's is."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        from dgl.nn import SAGEConv as Conv

        self.conv = Conv(inputs, outputs, "mean")

    def forward(self, rows: tuple[Tensor, Tensor], block: Any) -> Tensor:
        """Rows of sources and of targets → (T, outputs)."""
        out: Tensor = self.conv(block, rows)
        return out


class SageOfLayers(torch.nn.Module):
    """Two SAGEConv, ReLU and dropout between them."""

    def __init__(self, features: int, classes: int, kind: Kind) -> None:
        super().__init__()
        conv = _DglConv if kind == "dgl" else SAGEConv
        self.convs = torch.nn.ModuleList([conv(features, HIDDEN), conv(HIDDEN, classes)])

    def forward(self, h: Tensor, graphs: Sequence[Graph]) -> Tensor:
        """(S, F) → scores (S or targets, classes)."""
        for conv, graph in zip(self.convs, graphs, strict=True):
            h = conv(h if graph.targets is None else (h, h[: graph.targets]), graph.adjacency)
            if conv is not self.convs[-1]:
                h = dropout(h.relu(), DROPOUT, self.training)
        return h
