"""From edges to the CSC structure of a graph folder, by sorting and counting, in bounded memory.

Written for 57 million edges on an ordinary machine: beside the edges there is only the output and one chunk.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from picluster.graph.writer import GraphWriter

_CHUNK_EDGES = 1 << 21


def write_symmetric_csc(writer: GraphWriter, keys: NDArray[np.int64], nodes: int) -> None:
    """Writes `indptr` (N + 1,) and `indices` (2E,) of an undirected graph, every edge in both directions.

    `keys`: (E,) distinct `(low << 32) | high` with low < high, in any order; overwritten on the way.
    """
    keys.sort()
    larger = np.zeros(nodes, np.int64)  # how many neighbours with a larger id a node has
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


def write_csc(writer: GraphWriter, keys: NDArray[np.int64], nodes: int) -> None:
    """Writes `indptr` (N + 1,) and `indices` (E,) of a directed graph.

    `keys`: (E,) distinct `(target << 32) | source`, ascending.
    """
    degrees = np.zeros(nodes, np.int64)
    indices = writer.create("indices", (len(keys),), "int32")
    for place, target, source in _chunks(keys):
        degrees += np.bincount(target, minlength=nodes)
        indices[place] = source
    indices.flush()
    writer.write("indptr", np.concatenate(([0], np.cumsum(degrees))))


def _scatter(
    indices: NDArray[Any], first_slot: NDArray[np.int64], counts: NDArray[np.int64], keys: NDArray[np.int64]
) -> None:
    """Puts the second half of each key at the next free slot of the node in its first half. `keys` are ascending."""
    shift = first_slot - (np.cumsum(counts) - counts)
    for place, node, neighbour in _chunks(keys):
        slots = shift[node]
        slots += np.arange(place.start, place.stop)
        indices[slots] = neighbour


def _chunks(keys: NDArray[np.int64]) -> Iterator[tuple[slice, NDArray[np.int64], NDArray[np.int64]]]:
    """Yields (place, first half, second half) of the keys."""
    for start in range(0, len(keys), _CHUNK_EDGES):
        place = slice(start, min(start + _CHUNK_EDGES, len(keys)))
        yield place, keys[place] >> 32, keys[place] & 0xFFFFFFFF
