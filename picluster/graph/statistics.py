"""Statistics of a graph: degrees, homophily, labels, components. Edges are read in chunks: 10^8 take little memory."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from picluster.graph.folder import GraphFolder
from picluster.graph.packing import PackedIds

_CHUNK_EDGES = 1 << 20


class UnionFind:
    """Connected components, whichever way edges lead. Memory: eight bytes for each node, however many edges."""

    def __init__(self, nodes: int) -> None:
        self.of_nodes = np.arange(nodes)
        """(N,) The smallest node of each node's component."""

    def join(self, left: NDArray[Any], right: NDArray[Any]) -> None:
        """Make the components of `left[i]` and `right[i]` one, for all i. Both (E,)."""
        left, right = self._apart(left, right)
        while len(left):
            # The larger root is hung below the smaller one, so there are never circles.
            np.minimum.at(self.of_nodes, np.maximum(left, right), np.minimum(left, right))
            while not np.array_equal(further := self.of_nodes[self.of_nodes], self.of_nodes):
                self.of_nodes = further
            left, right = self._apart(left, right)

    def sizes(self) -> NDArray[np.int64]:
        """(components,) Number of nodes of each, the largest first."""
        counts = np.bincount(self.of_nodes)
        return np.sort(counts[counts > 0])[::-1]

    def _apart(self, left: NDArray[Any], right: NDArray[Any]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Roots of the pairs that are not yet in one component."""
        left, right = self.of_nodes[left], self.of_nodes[right]
        apart = left != right
        return left[apart], right[apart]


class Statistics(NamedTuple):
    """Counts and shares of a whole graph."""

    degrees: NDArray[np.int64]
    """(N,) in-neighbours of each node."""
    isolated: int
    """Nodes without an edge of either direction."""
    homophily: float | None
    """Share of the edges between labelled nodes that join two of one class; None where there are none."""
    labels: NDArray[np.int64]
    """(classes,) nodes of each class."""
    unlabelled: int
    components: NDArray[np.int64]
    """(components,) nodes of each connected component, the largest first."""


def statistics_of(graph: GraphFolder) -> Statistics:
    """Statistics from one pass over the structure and the labels."""
    labels = np.array(graph.array("labels"))
    indptr = np.array(graph.array("indptr"))
    alone = np.diff(indptr) == 0
    alike, judged = 0, 0
    components = UnionFind(len(labels))
    for targets, sources in _chunks(indptr, graph.neighbour_ids()):
        alone[sources] = False
        components.join(targets, sources)
        left, right = labels[targets], labels[sources]
        alike += int(np.count_nonzero((left == right) & (left >= 0)))
        judged += int(np.count_nonzero((left >= 0) & (right >= 0)))
    known = labels[labels >= 0]
    return Statistics(
        degrees=np.diff(indptr),
        isolated=int(alone.sum()),
        homophily=alike / judged if judged else None,
        labels=np.bincount(known, minlength=graph.meta.classes),
        unlabelled=len(labels) - len(known),
        components=components.sizes(),
    )


def _chunks(indptr: NDArray[np.int64], indices: PackedIds) -> Iterator[tuple[NDArray[Any], NDArray[Any]]]:
    """Yield (targets, sources) of the edges, (chunk,) each."""
    for start in range(0, len(indices), _CHUNK_EDGES):
        stop = min(start + _CHUNK_EDGES, len(indices))
        first, last = np.searchsorted(indptr, (start, stop - 1), side="right") - 1
        bounds = np.clip(indptr[first : last + 2], start, stop)
        yield np.repeat(np.arange(first, last + 1), bounds[1:] - bounds[:-1]), indices[start:stop]
