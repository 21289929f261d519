"""Lengths of shortest paths between many pairs of nodes, without a table of all of them.

Breadth-first searches from 512 sources at a time, a bit for each ("The more the merrier: efficient multi-source graph
traversal", Then et al., PVLDB 8(4), 2014): a level costs one pass over the edges. Needs numpy alone.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

UNREACHABLE = -1
_WORDS, _WORD_BITS = 8, 64
_CHUNK_EDGES = 1 << 20

Bits = NDArray[np.uint64]


def path_lengths(
    indptr: NDArray[np.int64], indices: NDArray[np.int32], sources: NDArray[np.int32], targets: NDArray[np.int32]
) -> NDArray[np.int32]:
    """(P,) Edges on the shortest path of each pair, `UNREACHABLE` where there is none.

    `indptr` (N + 1,), `indices` (E,): in-neighbours; paths follow the edges from `sources` (P,) to `targets` (P,).
    """
    lengths = np.full(len(sources), UNREACHABLE, np.int32)
    order = np.argsort(sources, kind="stable")
    distinct, begins = np.unique(sources[order], return_index=True)
    ends = np.append(begins[1:], len(order))
    width = _WORDS * _WORD_BITS
    for first in range(0, len(distinct), width):
        chosen = slice(first, first + width)
        pairs = order[begins[chosen][0] : ends[chosen][-1]]
        places = np.repeat(np.arange(len(distinct[chosen])), ends[chosen] - begins[chosen])
        lengths[pairs] = _search(indptr, indices, distinct[chosen], places, targets[pairs])
    return lengths


def _search(
    indptr: NDArray[np.int64],
    indices: NDArray[np.int32],
    sources: NDArray[np.int32],
    places: NDArray[np.int64],
    targets: NDArray[np.int32],
) -> NDArray[np.int32]:
    """(P,) Lengths of the paths from `sources[places]` to `targets`."""
    reached: Bits = np.zeros((len(indptr) - 1, _WORDS), np.uint64)
    words, bits = np.divmod(np.arange(len(sources)), _WORD_BITS)
    np.bitwise_or.at(reached, (sources, words), np.uint64(1) << bits.astype(np.uint64))
    lengths = np.full(len(targets), UNREACHABLE, np.int32)
    open_pairs, level = np.arange(len(targets)), 0
    while len(open_pairs):
        found = reached[targets[open_pairs], words[places[open_pairs]]] >> bits[places[open_pairs]].astype(np.uint64)
        met = (found & np.uint64(1)).astype(bool)
        lengths[open_pairs[met]] = level
        open_pairs, level = open_pairs[~met], level + 1
        if not _spread(indptr, indices, reached):
            break
    return lengths


def _spread(indptr: NDArray[np.int64], indices: NDArray[np.int32], reached: Bits) -> bool:
    """Search one level further: sources that reach a node's in-neighbours reach the node. True where one is new."""
    before, has_grown = reached.copy(), False
    for nodes in _node_chunks(indptr):
        begins = indptr[nodes]
        stop = indptr[nodes[-1] + 1]
        gathered = before[indices[begins[0] : stop]]
        wider = before[nodes] | np.bitwise_or.reduceat(gathered, begins - begins[0], axis=0)
        has_grown = has_grown or bool((wider != before[nodes]).any())
        reached[nodes] = wider
    return has_grown


def _node_chunks(indptr: NDArray[np.int64]) -> Iterator[NDArray[np.int64]]:
    """Yield nodes that have in-neighbours, in parts of about `_CHUNK_EDGES` edges."""
    nodes = np.flatnonzero(np.diff(indptr))
    parts = (indptr[nodes] // _CHUNK_EDGES).astype(np.int64)
    yield from np.split(nodes, np.flatnonzero(np.diff(parts)) + 1) if len(nodes) else []
