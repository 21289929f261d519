"""From lists of edges, as people have them, to the distinct ones, in bounded memory: 8 bytes for each beside the list.

An edge is one number, as in `block_model`; keys are sorted and thinned in place.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from picluster.graph.csc import write_csc, write_symmetric_csc
from picluster.graph.writer import GraphWriter

_CHUNK_EDGES = 1 << 21
_HALF = 0xFFFFFFFF


class Edges(NamedTuple):
    """Distinct edges without self-loops, and what was left out."""

    keys: NDArray[np.int64]
    """(E,) ascending: `(low << 32) | high` with low < high, or `(target << 32) | source` where directed."""
    directed: bool
    repeated: int
    """So many were given before, in the same direction."""
    loops: int
    """So many led from a node to itself."""
    given: int
    """So many distinct ones were given; an edge and its opposite are two."""

    @property
    def one_way(self) -> int:
        """How many of those given had no opposite; as `given` where edges are directed."""
        return self.given if self.directed else 2 * len(self.keys) - self.given

    def write(self, writer: GraphWriter, nodes: int) -> None:
        """Writes `indptr` and `indices`; an undirected edge in both directions. The keys are overwritten."""
        (write_csc if self.directed else write_symmetric_csc)(writer, self.keys, nodes)


def distinct_edges(source: NDArray[Any], target: NDArray[Any], *, directed: bool = False) -> Edges:
    """`source`, `target`: (E,) node ids in range, of any integer dtype."""
    keys = np.empty(len(source), np.int64)
    filled = 0
    for start in range(0, len(source), _CHUNK_EDGES):
        chunk = slice(start, start + _CHUNK_EDGES)
        fresh = _keys(source[chunk].astype(np.int64), target[chunk].astype(np.int64), directed=directed)
        keys[filled : filled + len(fresh)] = fresh
        filled += len(fresh)
    keys = keys[:filled]
    keys.sort()
    distinct = _without_repetition(keys)
    edges = Edges(distinct, directed, filled - len(distinct), len(source) - filled, len(distinct))
    if directed:
        return edges
    for start in range(0, len(distinct), _CHUNK_EDGES):
        chunk = slice(start, start + _CHUNK_EDGES)
        distinct[chunk] = (distinct[chunk] & ~_HALF) | ((distinct[chunk] & _HALF) >> 1)
    return edges._replace(keys=_without_repetition(distinct))


def _keys(source: NDArray[np.int64], target: NDArray[np.int64], *, directed: bool) -> NDArray[np.int64]:
    """Without self-loops. An undirected edge carries in its last bit which way it was given: ids have 31 bits."""
    kept = source != target
    source, target = source[kept], target[kept]
    if directed:
        return (target << 32) | source
    return (np.minimum(source, target) << 32) | (np.maximum(source, target) << 1) | (source > target)


def _without_repetition(keys: NDArray[np.int64]) -> NDArray[np.int64]:
    """The distinct ones of ascending `keys`, moved to their beginning. No copy: there may be 10^8 of them."""
    filled, last = 0, -1
    for start in range(0, len(keys), _CHUNK_EDGES):
        chunk = keys[start : start + _CHUNK_EDGES]
        fresh = chunk[np.diff(chunk, prepend=last) != 0]
        last = int(chunk[-1])
        keys[filled : filled + len(fresh)] = fresh
        filled += len(fresh)
    return keys[:filled]
