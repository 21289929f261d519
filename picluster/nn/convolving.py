"""A convolution of PyG applied to a block: the edges and rows that it is given, and the targets' rows that it gives."""

from __future__ import annotations

import copy
from typing import Literal

import torch
from torch import Tensor

from picluster.nn.block import Block

BlockForm = Literal["bipartite", "square", "gcn"]
"""Form in which a convolution takes a block: rows of sources and of targets apart; the sources' rows alone, as a graph
of their own; or that graph with the weights that `GCNConv` would have found in the whole one."""


def normalises_as_gcn(convolution: torch.nn.Module) -> bool:
    """True for PyG's `GCNConv` and its subclasses: they would take the degrees of a block for those of the graph."""
    made_from = {f"{kind.__module__}.{kind.__name__}" for kind in type(convolution).__mro__}
    return "torch_geometric.nn.conv.gcn_conv.GCNConv" in made_from and bool(convolution.normalize)


def convolve(convolution: torch.nn.Module, form: BlockForm, block: Block, h: Tensor) -> Tensor:
    """The targets' rows that a convolution gives: `h` (S, inputs) → (T, outputs)."""
    targets = torch.arange(len(block.ids))
    edges = torch.stack([block.neighbours.long(), torch.repeat_interleave(targets, block.counts.long())])
    result: Tensor
    if form == "gcn":
        edges, weights = _gcn_edges(block, edges, self_loops=bool(convolution.add_self_loops))
        # A shallow copy has the same parameters: the author's own convolution, which others may share, stays as it is.
        convolution = copy.copy(convolution)
        convolution.normalize = False  # type: ignore[assignment]
        result = convolution(h, edges, weights)
    elif form == "bipartite":
        result = convolution((h, h[: len(targets)]), edges)
    else:
        result = convolution(h, edges)
    return result[: len(targets)]


def _gcn_edges(block: Block, edges: Tensor, *, self_loops: bool) -> tuple[Tensor, Tensor]:
    """Edges (2, E) with `GCNConv`'s weights (E,) by the degrees of the whole graph; sampled ones stand for all.

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
    """1 / √degree, and 0 for degree 0."""
    return degrees.float().rsqrt().masked_fill(degrees == 0, 0.0)
