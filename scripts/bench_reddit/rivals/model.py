"""GraphSAGE of PyG's layers, on whole subgraphs or on bipartite blocks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import dropout
from torch_geometric.nn import SAGEConv  # type: ignore[import-untyped]

from scripts.bench_reddit.records import DROPOUT, HIDDEN


class Graph(NamedTuple):
    """Graph of one layer."""

    adjacency: Any
    """List of edges (2, E), sparse matrix of torch, or SparseTensor of torch-sparse."""
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


class SageOfLayers(torch.nn.Module):
    """Two SAGEConv, ReLU and dropout between them."""

    def __init__(self, features: int, classes: int) -> None:
        super().__init__()
        self.convs = torch.nn.ModuleList([SAGEConv(features, HIDDEN), SAGEConv(HIDDEN, classes)])

    def forward(self, h: Tensor, graphs: Sequence[Graph]) -> Tensor:
        """(S, F) → scores (S or targets, classes)."""
        for conv, graph in zip(self.convs, graphs, strict=True):
            h = conv(h if graph.targets is None else (h, h[: graph.targets]), graph.adjacency)
            if conv is not self.convs[-1]:
                h = dropout(h.relu(), DROPOUT, self.training)
        return h
