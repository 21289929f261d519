"""Small random graphs, on which a layer is tried out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from picluster.nn import Block


@dataclass(frozen=True)
class ToyGraph:
    """Neighbours of each of N nodes."""

    neighbours: list[Tensor]
    degrees: Tensor
    """(N,) int32: degrees in the whole graph, of which these neighbours are a sample."""

    @property
    def nodes(self) -> int:
        """Number of nodes, N."""
        return len(self.neighbours)

    def block(self, targets: Tensor) -> Block:
        """The block of these targets, over a table of all nodes."""
        lists = [self.neighbours[target] for target in targets.tolist()]
        return Block(
            ids=targets.to(torch.int32),
            counts=torch.tensor([len(each) for each in lists], dtype=torch.int32),
            neighbours=torch.cat(lists).to(torch.int32),
            source_ids=None,
            graph_degrees=self.degrees,
        )

    def around(self, targets: Tensor) -> Tensor:
        """(N,) bool: the targets and their neighbours."""
        mask = torch.zeros(self.nodes, dtype=torch.bool)
        mask[targets] = True
        mask[torch.cat([self.neighbours[target] for target in targets.tolist()]).long()] = True
        return mask


def toy_graphs(dice: torch.Generator) -> Iterator[ToyGraph]:
    """Yield graphs from the most general to the kindest: some models have an option for the number of nodes."""
    for nodes, fewest, most in ((24, 0, 4), (24, 1, 4), (24, 2, 2), (3, 2, 2)):
        yield _drawn(nodes, fewest, most, dice)


def large_graph(dice: torch.Generator) -> ToyGraph:
    """A graph of as many nodes as a micro-batch of a real run has, for layers that treat many rows in another way."""
    return _drawn(1500, 0, 4, dice)


def _drawn(nodes: int, fewest: int, most: int, dice: torch.Generator) -> ToyGraph:
    """A random graph in which each node has from `fewest` to `most` neighbours."""
    lists = []
    for node in range(nodes):
        count = int(torch.randint(fewest, most + 1, (), generator=dice))
        others = torch.randperm(nodes - 1, generator=dice)[:count]
        lists.append((others + (others >= node)).sort().values)
    further = torch.randint(0, 3, (nodes,), generator=dice)
    degrees = torch.tensor([len(each) for each in lists]) + further * (torch.tensor(list(map(len, lists))) > 0)
    return ToyGraph(lists, degrees.to(torch.int32))
