"""Small random graphs to try convolutions on, their blocks, and changes that no target should notice."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from picluster.nn.block import Block

_NODES = 12
_DENSITIES = (0.25, 0.4, 0.15)
"""Share of the pairs that are joined in each graph."""
_TARGETS = torch.tensor([0, 2])
"""Nodes whose rows are compared after a change; the second one has no neighbour."""
_NEIGHBOURS = torch.tensor([3, 4])
"""Neighbours of node 0."""
_OTHERS = torch.tensor([1, 5, 6, 7, 8, 9, 10])
_ALONE = torch.tensor([11])
"""A node without edges."""


@dataclass(frozen=True)
class TrialGraph:
    """A directed graph; its edges are ordered as in a graph folder: target after target, sources ascending."""

    h: Tensor
    """(N, width): a row for each node."""
    joined: Tensor
    """(N, N) bool: True for an edge to the node of the row from the node of the column."""
    backwards: bool = False
    """True where the edges are in the opposite order."""

    @property
    def edges(self) -> Tensor:
        """(2, E): source and target."""
        edges = torch.stack(torch.nonzero(self.joined, as_tuple=True)[::-1])
        return edges.flip(1) if self.backwards else edges

    def blocks(self) -> Iterator[Block]:
        """Blocks of one node, of some, of all, and of one without edges; each with all neighbours."""
        everybody = torch.randperm(_NODES, generator=torch.Generator().manual_seed(0))
        for chosen in (torch.tensor([0]), torch.tensor([5, 2, 0, 9]), everybody, _ALONE):
            yield Block(
                ids=chosen.int(),
                counts=self.joined.sum(dim=1)[chosen].int(),
                neighbours=torch.nonzero(self.joined[chosen], as_tuple=True)[1].int(),
                source_ids=None,
                graph_degrees=self.joined.sum(dim=1).int(),
            ).gathered()


@dataclass(frozen=True)
class Change:
    """Two graphs that a block of the targets does not tell apart."""

    seen: str
    """Part of the graph that a convolution looks at which gives the targets other rows in one than in the other."""
    instead: str
    """Remedy for that convolution."""
    before: TrialGraph
    after: TrialGraph
    targets: Tensor
    """Numbers of the targets in `before`."""
    targets_after: Tensor


def trial_graphs(width: int) -> list[TrialGraph]:
    """Graphs of different density; some nodes have no neighbours, the last one has no edge at all."""
    found = []
    for seed, density in enumerate(_DENSITIES):
        random = torch.Generator().manual_seed(seed)
        joined = torch.rand(_NODES, _NODES, generator=random) < density
        joined[0] = False
        joined[0, _NEIGHBOURS], joined[_NEIGHBOURS[0], _OTHERS[0]] = True, True
        joined[[2, 10]] = False
        joined.fill_diagonal_(False)  # noqa: FBT003  it takes no keyword
        joined[_ALONE], joined[:, _ALONE] = False, False
        found.append(TrialGraph(torch.randn(_NODES, width, generator=random), joined))
    return found


def changes(graph: TrialGraph) -> Iterator[Change]:
    """Changes, one at a time, that leave the neighbourhoods of the targets as they are."""
    own = "take one that looks at the edges into a node alone, such as SAGEConv or GATConv"
    degrees = "of those that weigh by degrees take GCNConv, which picluster gives them"
    norm = "norms and means over nodes differ between plans; torch.nn.LayerNorm takes each row alone"
    order = "take an aggregation without order, such as mean or max"
    # Targets without edges out of them, then with them but without paths of two hops in: each change shows one cause.
    ahead = _without_edges(graph, sources=_TARGETS)
    behind = _without_edges(graph, sources=_OTHERS)
    between = _with_edges(ahead, sources=_OTHERS, targets=_OTHERS)
    into = _with_edges(graph, sources=_OTHERS, targets=_NEIGHBOURS)
    out = _with_edges(graph, sources=_NEIGHBOURS, targets=_OTHERS)
    joined = torch.nn.functional.pad(graph.joined, (0, 3, 0, 3))
    larger = replace(graph, h=torch.cat([graph.h, graph.h[:3] + 1]), joined=joined)
    for seen, instead, before, after in (
        ("the rows of all nodes", norm, graph, _with_rows(graph, _ALONE)),
        ("nodes more than one hop away", "use a layer for each hop", ahead, _with_rows(ahead, _OTHERS)),
        ("the edges between other nodes", own, ahead, between),
        ("the edges out of a node", own, behind, _with_edges(behind, sources=_TARGETS, targets=_OTHERS)),
        ("the degrees of a node's neighbours", degrees, graph, into),
        ("the edges out of a node's neighbours", degrees, graph, out),
        ("the number of nodes", own, graph, larger),
        ("the order of edges", order, graph, replace(graph, backwards=True)),
    ):
        yield Change(seen, instead, before, after, _TARGETS, _TARGETS)
    chosen = torch.cat([_TARGETS, _ALONE])
    renumbered = replace(graph, h=graph.h.flip(0), joined=graph.joined.flip(0, 1))
    yield Change("the numbers of nodes", own, graph, renumbered, chosen, _NODES - 1 - chosen)


def _with_rows(graph: TrialGraph, nodes: Tensor) -> TrialGraph:
    """The graph with other rows of some nodes."""
    h = graph.h.clone()
    h[nodes] = h[nodes].flip(1) * 2 + 1
    return replace(graph, h=h)


def _without_edges(graph: TrialGraph, *, sources: Tensor) -> TrialGraph:
    """The graph without the edges out of some nodes."""
    joined = graph.joined.clone()
    joined[:, sources] = False
    return replace(graph, joined=joined)


def _with_edges(graph: TrialGraph, *, sources: Tensor, targets: Tensor) -> TrialGraph:
    """The graph with an edge where there was none from `sources` to `targets`, and none where there was one."""
    joined = graph.joined.clone()
    joined[targets[:, None], sources] ^= True
    joined.fill_diagonal_(False)  # noqa: FBT003  it takes no keyword
    return replace(graph, joined=joined)
