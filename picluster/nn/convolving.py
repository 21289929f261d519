"""A convolution of PyG on a block: which edges and rows it is given, and which of its rows are the targets'."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Literal

import torch

if TYPE_CHECKING:
    from torch import Tensor
    from torch.nn import Module

    from picluster.nn.block import Block

Way = Literal["bipartite", "square", "gcn"]
"""How a convolution takes a block: rows of sources and of targets apart; the sources' rows alone, as a graph of their
own; or that graph with the weights that `GCNConv` would have found in the whole one."""


def normalises_as_gcn(convolution: Module) -> bool:
    """Whether it is PyG's `GCNConv`, or made from it, and would take the degrees of a block for those of the graph."""
    made_from = {f"{kind.__module__}.{kind.__name__}" for kind in type(convolution).__mro__}
    return "torch_geometric.nn.conv.gcn_conv.GCNConv" in made_from and bool(convolution.normalize)


def convolve(convolution: Module, way: Way, block: Block, h: Tensor) -> Tensor:
    """The targets' rows of a convolution: `h` (S, inputs) → (T, outputs)."""
    targets = torch.arange(len(block.ids))
    edges = torch.stack([block.neighbours.long(), torch.repeat_interleave(targets, block.counts.long())])
    result: Tensor
    if way == "gcn":
        edges, weights = _gcn_edges(block, edges, self_loops=bool(convolution.add_self_loops))
        # A shallow copy has the same parameters: the author's own convolution, which others may share, stays as it is.
        convolution = copy.copy(convolution)
        convolution.normalize = False  # type: ignore[assignment]
        result = convolution(h, edges, weights)
    elif way == "bipartite":
        result = convolution((h, h[: len(targets)]), edges)
    else:
        result = convolution(h, edges)
    return result[: len(targets)]


def _gcn_edges(block: Block, edges: Tensor, *, self_loops: bool) -> tuple[Tensor, Tensor]:
    """Edges with `GCNConv`'s weights by the degrees of the whole graph; sampled ones stand for all.

    A node's edge to itself weighs 1 also where `improved` wants 2: PyG does so as long as edges have no weights.
    """
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
