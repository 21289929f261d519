"""What a graph is like: degrees, homophily, labels, components.

In chunks, so that 10^8 edges take seconds and little memory.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from picluster.graph.components import UnionFind
from picluster.graph.folder import GraphFolder

_CHUNK_EDGES = 1 << 20


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
    """Reads the structure once, and the labels."""
    labels = np.array(graph.array("labels"))
    indptr = np.array(graph.array("indptr"))
    alone = np.diff(indptr) == 0
    alike, judged = 0, 0
    components = UnionFind(len(labels))
    for targets, sources in _chunks(indptr, graph.array("indices")):
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


def _chunks(indptr: NDArray[np.int64], indices: NDArray[Any]) -> Iterator[tuple[NDArray[Any], NDArray[Any]]]:
    """Yields (targets, sources) of the edges, (chunk,) each."""
    for start in range(0, len(indices), _CHUNK_EDGES):
        stop = min(start + _CHUNK_EDGES, len(indices))
        first, last = np.searchsorted(indptr, (start, stop - 1), side="right") - 1
        bounds = np.clip(indptr[first : last + 2], start, stop)
        yield np.repeat(np.arange(first, last + 1), bounds[1:] - bounds[:-1]), indices[start:stop]
