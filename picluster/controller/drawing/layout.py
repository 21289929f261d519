"""Positions of nodes: each component is laid out by forces between its nodes, the components packed side by side.

A layout of all edges of a dense graph is a tangle; one of its backbone, the edges between nodes that share many
neighbours, shows communities (Satuluri, Parthasarathy and Ruan, "Local Graph Sparsification for Scalable Clustering",
SIGMOD 2011). A sparse graph is nearly its own backbone.
"""

import random
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from picluster.graph.statistics import UnionFind
from picluster.randomness import Purpose, key

Positions = NDArray[np.float64]

_BACKBONE_EDGES = 8
"""Edges kept of each node. From 4 to 16, this draws communities apart and still keeps them in touch."""
_CHUNK_WORDS = 1 << 21
_SPRINGS_UP_TO = 100
"""Nodes of a component that is laid out by Kamada and Kawai's springs: the clearest, but cubic in time."""
_STEPS = 500
_FULL_STEPS_UP_TO = 3000
"""Number of nodes above which fewer steps are made, since each takes longer."""
_NODES_BY_HAND = 3
_SHORTEST_LINES = 1.0
"""Smallest average length of a line in a component."""
_MARGIN = 1.6
"""Space between two components, where a node has about one square of side 1."""
_WIDTH_TO_HEIGHT = 1.1
_GIANT = 0.5
"""Share of the nodes from which on a component has the rows' width to itself."""


def layout(pairs: NDArray[np.int32], nodes: int, *, seed: int) -> Positions:
    """(N, 2) Positions, about one node on each square of side 1; the same for the same seed.

    `pairs` (P, 2) are the edges, each once.
    """
    lines = backbone(pairs, nodes, keep=_BACKBONE_EDGES)
    components = UnionFind(nodes)
    components.join(*lines.T)
    roots = components.of_nodes
    order = np.argsort(roots, kind="stable")
    members = np.split(order, np.flatnonzero(np.diff(roots[order])) + 1)
    first = lines[np.argsort(roots[lines[:, 0]], kind="stable")]
    edges = np.split(first, np.searchsorted(roots[first[:, 0]], [own[0] for own in members[1:]]))
    places = np.empty(nodes, np.int64)
    parts = []
    for own, ends in zip(members, edges, strict=True):
        places[own] = np.arange(len(own))
        joined = places[ends]
        parts.append(_upright(_forces(joined, len(own), seed), joined))
    positions = np.empty((nodes, 2))
    for own, shifted in zip(members, packed(parts), strict=True):
        positions[own] = shifted
    return positions


def backbone(pairs: NDArray[np.int32], nodes: int, *, keep: int) -> NDArray[np.int32]:
    """(K, 2) Pairs that are among the `keep` most alike of a node, and those that hold components together."""
    alike = similarities(pairs, nodes)
    kept = np.zeros(len(pairs), bool)
    kept[_strongest(pairs, alike, keep)] = True
    pieces = UnionFind(nodes)
    pieces.join(*pairs[kept].T)
    # Borůvka's algorithm: each piece keeps its best edge to another one, until there are none.
    while True:
        ends = pieces.of_nodes[pairs]
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


def _forces(pairs: NDArray[np.int64], nodes: int, seed: int) -> Positions:
    """(N, 2) The layout of one component."""
    if nodes <= _NODES_BY_HAND:
        return np.array([[0.0, 0.0], [1.0, 0.0], [0.5, 0.8]])[:nodes]
    import igraph  # type: ignore[import-untyped]

    graph = igraph.Graph(n=nodes, edges=pairs)
    word = key(seed, Purpose.GENERATE, nodes).word
    start: Any = np.random.default_rng(word).uniform(-1, 1, (nodes, 2))
    # igraph draws from this generator, and afterwards again from Python's own.
    igraph.set_random_number_generator(random.Random(word))  # noqa: S311 - a picture needs no secrecy
    try:
        if nodes <= _SPRINGS_UP_TO:
            return np.array(graph.layout_kamada_kawai(seed=start.tolist()).coords)
        # With the grid only near nodes repel each other, so that outlying branches stay close: an even, full picture.
        found = graph.layout_fruchterman_reingold(
            seed=start.tolist(), niter=_STEPS * _FULL_STEPS_UP_TO // max(nodes, _FULL_STEPS_UP_TO), grid="grid"
        )
        return np.array(found.coords)
    finally:
        igraph.set_random_number_generator(random)


def _upright(positions: Positions, pairs: NDArray[np.int64]) -> Positions:
    """Positions around the origin, the longest extent level, with about a square of side 1 or more for each node."""
    centred: Positions = positions - positions.mean(axis=0)
    extent = np.sqrt((centred**2).sum(axis=1).mean())
    if extent == 0:
        return centred
    axes: Positions = np.linalg.eigh(centred.T @ centred)[1][:, ::-1]
    # The sign of an eigenvector is arbitrary: the node that lies farthest out is put to the right, and on top.
    turned: Positions = np.asarray(centred @ axes)
    turned *= np.where(turned[np.abs(turned).argmax(axis=0), [0, 1]] < 0, -1, 1)
    # A disc of n nodes at one per unit of area has the radius √(n/π), and half its square is the mean square. A chain
    # fills no disc, and takes the room that its lines need.
    length = np.hypot(*(turned[pairs[:, 0]] - turned[pairs[:, 1]]).T).mean()
    room = max(np.sqrt(len(positions) / np.pi / 2) / extent, _SHORTEST_LINES / length)
    return np.asarray(turned * room)


def packed(parts: Sequence[NDArray[np.float64]]) -> list[NDArray[np.float64]]:
    """Parts, (n, 2) each, shifted so that none overlaps another, in the order in which they came."""
    order = sorted(range(len(parts)), key=lambda place: (-len(parts[place]), place))
    sizes = np.array([np.ptp(parts[place], axis=0) + _MARGIN for place in order]).reshape(-1, 2)
    width = float(max(np.sqrt(sizes.prod(axis=1).sum() * _WIDTH_TO_HEIGHT), *sizes[:, 0], 0.0))
    if parts and len(parts[order[0]]) >= _GIANT * sum(map(len, parts)):
        width = float(sizes[0, 0])
    done = list(parts)
    top, start = 0.0, 0  # in rows from the top down, which are centred
    while start < len(sizes):
        ends = np.cumsum(sizes[start:, 0])
        count = max(1, int(np.searchsorted(ends, width * (1 + 1e-9), side="right")))
        row = sizes[start : start + count]
        height = float(row[:, 1].max())
        left = (width - float(row[:, 0].sum())) / 2
        for place, box in zip(order[start : start + count], row, strict=True):
            corner = np.array([left, top - (height + box[1]) / 2])
            done[place] = parts[place] - parts[place].min(axis=0) + corner
            left += float(box[0])
        top -= height
        start += count
    return done
