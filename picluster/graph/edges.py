"""Edges, from lists of pairs to the distinct ones and the CSC arrays of a graph folder, in bounded memory.

An edge is one number, its key: `(low << 32) | high` with low < high, or `(target << 32) | source` where directed. Keys
are sorted and thinned in place: for 57 million edges there is only the output and one chunk beside them.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from picluster.graph.writer import GraphWriter

_CHUNK_EDGES = 1 << 21
_HALF = 0xFFFFFFFF

Keys = NDArray[np.int64]


class Edges(NamedTuple):
    """Distinct edges without self-loops, and the numbers of those left out."""

    keys: Keys
    """(E,) ascending."""
    directed: bool
    repeated: int
    """Number of edges that were given before, in the same direction."""
    loops: int
    """Number of edges from a node to itself."""
    given: int
    """Number of distinct edges in the list; an edge and its opposite are two."""

    @property
    def one_way(self) -> int:
        """Number of given edges without an opposite; `given` where edges are directed."""
        return self.given if self.directed else 2 * len(self.keys) - self.given

    def write(self, writer: GraphWriter, nodes: int) -> None:
        """Write `indptr` and `indices`; an undirected edge in both directions. The keys are overwritten."""
        (_write_csc if self.directed else write_symmetric_csc)(writer, self.keys, nodes)


def distinct_edges(source: NDArray[Any], target: NDArray[Any], *, directed: bool = False) -> Edges:
    """Distinct edges of a list. `source`, `target`: (E,) node ids in range, of any integer dtype."""
    keys = np.empty(len(source), np.int64)
    filled = 0
    for chunk in _slices(len(source)):
        fresh = _keys(source[chunk].astype(np.int64), target[chunk].astype(np.int64), directed=directed)
        keys[filled : filled + len(fresh)] = fresh
        filled += len(fresh)
    distinct = distinct_keys(keys[:filled])
    edges = Edges(distinct, directed, filled - len(distinct), len(source) - filled, len(distinct))
    if directed:
        return edges
    for chunk in _slices(len(distinct)):
        distinct[chunk] = (distinct[chunk] & ~_HALF) | ((distinct[chunk] & _HALF) >> 1)
    return edges._replace(keys=_without_repetition(distinct))


def distinct_keys(keys: Keys) -> Keys:
    """Distinct ones of `keys` (E,), ascending; `keys` are overwritten."""
    keys.sort()
    return _without_repetition(keys)


def write_symmetric_csc(writer: GraphWriter, keys: Keys, nodes: int) -> None:
    """Write `indptr` (N + 1,) and `indices` (2E,) of an undirected graph, every edge in both directions.

    `keys`: (E,) distinct `(low << 32) | high` with low < high, in any order; overwritten on the way.
    """
    keys.sort()
    larger = np.zeros(nodes, np.int64)  # neighbours of each node with a larger id
    smaller = np.zeros(nodes, np.int64)
    for _, low, high in _chunks(keys):
        larger += np.bincount(low, minlength=nodes)
        smaller += np.bincount(high, minlength=nodes)
    indptr = np.concatenate(([0], np.cumsum(larger + smaller)))
    writer.write("indptr", indptr)
    indices = writer.create("indices", (2 * len(keys),), "int32")
    # In the order of (low, high) the larger neighbours of a node are adjacent: each lands after all the smaller ones.
    _scatter(indices, indptr[:-1] + smaller, larger, keys)
    for place, low, high in _chunks(keys):
        keys[place] = (high << 32) | low
    keys.sort()
    _scatter(indices, indptr[:-1], smaller, keys)
    indices.flush()


def _write_csc(writer: GraphWriter, keys: Keys, nodes: int) -> None:
    """Write `indptr` (N + 1,) and `indices` (E,) of a directed graph with ascending keys."""
    degrees = np.zeros(nodes, np.int64)
    indices = writer.create("indices", (len(keys),), "int32")
    for place, target, source in _chunks(keys):
        degrees += np.bincount(target, minlength=nodes)
        indices[place] = source
    indices.flush()
    writer.write("indptr", np.concatenate(([0], np.cumsum(degrees))))


def _scatter(indices: NDArray[Any], first_slot: NDArray[np.int64], counts: NDArray[np.int64], keys: Keys) -> None:
    """Put the second half of each ascending key at the next free slot of the node in its first half."""
    shift = first_slot - (np.cumsum(counts) - counts)
    for place, node, neighbour in _chunks(keys):
        slots = shift[node]
        slots += np.arange(place.start, place.stop)
        indices[slots] = neighbour


def _keys(source: NDArray[np.int64], target: NDArray[np.int64], *, directed: bool) -> Keys:
    """Keys without self-loops; the last bit of an undirected edge tells its direction, since ids have 31 bits."""
    kept = source != target
    source, target = source[kept], target[kept]
    if directed:
        return (target << 32) | source
    return (np.minimum(source, target) << 32) | (np.maximum(source, target) << 1) | (source > target)


def _without_repetition(keys: Keys) -> Keys:
    """Distinct ones of ascending `keys`, moved to their beginning. No copy: there may be 10^8 of them."""
    filled, last = 0, -1
    for place in _slices(len(keys)):
        chunk = keys[place]
        fresh = chunk[np.diff(chunk, prepend=last) != 0]
        last = int(chunk[-1])
        keys[filled : filled + len(fresh)] = fresh
        filled += len(fresh)
    return keys[:filled]


def _chunks(keys: Keys) -> Iterator[tuple[slice, NDArray[np.int64], NDArray[np.int64]]]:
    """Yield (place, first half, second half) of the keys."""
    return ((place, keys[place] >> 32, keys[place] & _HALF) for place in _slices(len(keys)))


def _slices(count: int) -> Iterator[slice]:
    return (slice(start, min(start + _CHUNK_EDGES, count)) for start in range(0, count, _CHUNK_EDGES))
