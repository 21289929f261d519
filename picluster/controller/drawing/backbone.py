"""Edges that show the communities of a dense graph: those between nodes that share many neighbours.

A layout of all edges of a dense graph is a tangle; a layout of its backbone shows communities (Satuluri, Parthasarathy
and Ruan, "Local Graph Sparsification for Scalable Clustering", SIGMOD 2011). A sparse graph is nearly its own backbone.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from picluster.graph.statistics import UnionFind

_CHUNK_WORDS = 1 << 21


def backbone(pairs: NDArray[np.int32], nodes: int, *, keep: int) -> NDArray[np.int32]:
    """(K, 2) Pairs that are among the `keep` most alike of a node, and those that hold components together."""
    alike = similarities(pairs, nodes)
    kept = np.zeros(len(pairs), bool)
    kept[_strongest(pairs, alike, keep)] = True
    pieces = UnionFind(nodes)
    pieces.join(*pairs[kept].T)
    # Borůvka's algorithm: each piece keeps its best edge to another one, until there are none.
    while True:
        ends = pieces.of_nodes()[pairs]
        apart = np.flatnonzero(ends[:, 0] != ends[:, 1])
        if not len(apart):
            return pairs[kept]
        bridges = apart[_strongest(ends[apart], alike[apart], 1)]
        kept[bridges] = True
        pieces.join(*pairs[bridges].T)


def similarities(pairs: NDArray[np.int32], nodes: int) -> NDArray[np.float64]:
    """(P,) Share of their neighbours that both nodes of a pair have (Jaccard's; each node neighbours itself).

    Works on a table of nodes² bits.
    """
    words = -(-nodes // 64)
    table = np.zeros((nodes, words * 8), np.uint8)
    own = np.arange(nodes, dtype=np.int32)
    for rows, columns in ((own, own), pairs.T, pairs.T[::-1]):
        np.bitwise_or.at(table, (rows, columns >> 3), (1 << (columns & 7)).astype(np.uint8))
    bits = table.view(np.uint64)  # (N, words)
    sizes = np.bitwise_count(bits).sum(axis=1, dtype=np.int64)
    found = np.zeros(len(pairs))
    step = max(1, _CHUNK_WORDS // max(words, 1))
    for start in range(0, len(pairs), step):
        left, right = pairs[start : start + step].T
        common = np.bitwise_count(bits[left] & bits[right]).sum(axis=1, dtype=np.int64)
        found[start : start + step] = common / (sizes[left] + sizes[right] - common)
    return found


def _strongest(pairs: NDArray[Any], strengths: NDArray[np.float64], keep: int) -> NDArray[np.int64]:
    """Numbers of the pairs among the `keep` strongest of one of their ends, ascending; of equals, the first."""
    ends, which = pairs.T.ravel(), np.tile(np.arange(len(pairs)), 2)
    order = np.lexsort((which, -strengths[which], ends))
    ends, which = ends[order], which[order]
    ranks = np.arange(len(ends)) - np.searchsorted(ends, ends)
    return np.unique(which[ranks < keep])
