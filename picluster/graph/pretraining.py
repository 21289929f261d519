"""Graph folders of pre-training: pairs of nodes to learn an embedding from, and the graph that its result makes.

The nodes of the first folder are pairs of the graph's nodes. A pair has the two nodes for neighbours, and its label is
the inverse of the length of the shortest path between them (0 where there is none). The features are those of the
graph's nodes, each row scaled so that its largest value is 1. One half of the pairs are edges, the other half is drawn
from all pairs.
"""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from picluster.errors import DataError
from picluster.graph.folder import SPLITS, GraphFolder
from picluster.graph.writer import GraphWriter
from picluster.randomness import Purpose, draw_words, key, row_words

VALIDATION_PAIRS = 1 << 15
MOST_SOURCES = 4096
"""Largest number of nodes at which random pairs begin: each costs a search through the whole graph."""

UNREACHABLE = -1
"""Length of the shortest path between nodes that no path joins."""
_WORDS, _WORD_BITS = 8, 64
_CHUNK_EDGES = 1 << 20
_CHUNK_VALUES = 1 << 24

Table = NDArray[np.float32]


def write_pairs(path: Path, graph: GraphFolder, *, count: int, seed: int) -> None:
    """Write the graph folder `path`: `count` pairs to train and some more for validation, drawn by `seed`.

    DataError where the graph has no edge, or the disk is full.
    """
    if not graph.meta.edges:
        raise DataError(f"{graph.path} has no edges: there is nothing to learn an embedding from")
    indptr, indices = np.array(graph.array("indptr")), graph.neighbour_ids()[:]
    nodes, total = graph.meta.nodes, count + VALIDATION_PAIRS
    draw_key = key(seed, Purpose.PAIRS)
    pairs = row_words(draw_key, np.arange(total, dtype=np.int32))

    def below(bound: int, draw: int) -> NDArray[np.int64]:
        """(total,) Uniform numbers in [0, bound), bound ≤ 2³¹, hashed from (key, pair, draw): the same everywhere."""
        words: NDArray[np.int32] = draw_words(draw_key, pairs, draw)
        products = words.view(np.uint32).astype(np.uint64) * np.uint64(bound)
        return (products >> np.uint64(32)).astype(np.int64)

    is_edge = below(2, 0) == 0
    edges = below(len(indices), 1)
    # Random pairs begin at any node, or in a large graph at one of some that lie evenly among all.
    sources = below(nodes, 2) if nodes <= MOST_SOURCES else below(MOST_SOURCES, 2) * nodes // MOST_SOURCES
    left = np.where(is_edge, indices[edges], sources).astype(np.int32)
    right = np.where(is_edge, np.searchsorted(indptr, edges, side="right") - 1, below(nodes, 3))
    right = right.astype(np.int32)
    lengths = np.ones(total, np.int32)
    lengths[~is_edge] = path_lengths(indptr, indices, left[~is_edge], right[~is_edge])
    # A node is no nearer to itself than to its neighbours: the predecessors' pairs have no length 0.
    inverse = np.where(lengths == UNREACHABLE, 0.0, 1.0 / np.maximum(lengths, 1))
    with GraphWriter(path, source=f"{count} pairs of {graph.meta.name}, seed {seed}", classes=1) as writer:
        writer.write("indptr", np.arange(total + 1, dtype=np.int64) * 2)
        writer.write("indices", np.stack([left, right], axis=1).reshape(-1))
        writer.write("features", scaled_rows(graph.array("features")))
        writer.write("labels", inverse.astype(np.float32))
        ids = np.arange(total, dtype=np.int32)
        writer.write_splits({"train": ids[:count], "validation": ids[count:], "test": ids[:0]})


def write_embedded(path: Path, graph: GraphFolder, embedding: Table, *, neighbours: int) -> None:
    """Write the graph folder `path`: labels and splits from `graph`, neighbours and further features from `embedding`.

    `embedding` (N, width) is appended to the features, whose rows are scaled so that their largest value is 1. Edges
    lead from each node to the `neighbours` nodes at the smallest angle to it. DataError where the disk is full.
    """
    found = nearest(embedding, neighbours)
    source, meta = f"{graph.meta.source}, embedded", graph.meta
    with GraphWriter(path, source=source, classes=meta.classes, class_names=meta.class_names) as writer:
        writer.write("indptr", np.arange(len(found) + 1, dtype=np.int64) * found.shape[1])
        writer.write("indices", found.reshape(-1))
        words = scaled_rows(graph.array("features"))
        writer.write("features", np.concatenate([words, embedding.astype(words.dtype)], axis=1))
        for name in ("labels", *SPLITS):
            writer.write(name, np.array(graph.array(name)))
        if names := graph.node_names():
            writer.write_node_names(names)


def nearest(embedding: Table, count: int) -> NDArray[np.int32]:
    """(N, count) The other nodes at the smallest angle to each node, in ascending order of their numbers.

    All pairs are compared, in chunks: N² · width operations.
    """
    lengths = np.linalg.norm(embedding, axis=1, keepdims=True)
    unit = (embedding / np.maximum(lengths, 1e-12)).astype(np.float32)
    count = min(count, len(unit) - 1)
    found = np.empty((len(unit), count), np.int32)
    rows = max(1, _CHUNK_VALUES // len(unit))
    for begin in range(0, len(unit), rows):
        part = unit[begin : begin + rows]
        likeness = part @ unit.T
        likeness[np.arange(len(part)), np.arange(begin, begin + len(part))] = -np.inf
        best = np.argpartition(-likeness, count - 1, axis=1)[:, :count] if count else likeness[:, :0]
        found[begin : begin + rows] = np.sort(best, axis=1)
    return found


def scaled_rows(features: NDArray[np.floating]) -> NDArray[np.floating]:
    """(N, F) Rows divided by their largest magnitude, so that a word that is there counts 1; the type stays."""
    largest = np.abs(features).max(axis=1, keepdims=True, initial=0).astype(np.float32)
    scaled: NDArray[np.floating] = (features / np.where(largest > 0, largest, 1)).astype(features.dtype)
    return scaled


def path_lengths(
    indptr: NDArray[np.int64], indices: NDArray[np.int32], sources: NDArray[np.int32], targets: NDArray[np.int32]
) -> NDArray[np.int32]:
    """(P,) Edges on the shortest path of each pair, `UNREACHABLE` where there is none, without a table of all pairs.

    `indptr` (N + 1,), `indices` (E,): in-neighbours; paths follow the edges from `sources` (P,) to `targets` (P,).
    Breadth-first searches from 512 sources at a time, a bit for each ("The more the merrier: efficient multi-source
    graph traversal", Then et al., PVLDB 8(4), 2014): a level costs one pass over the edges.
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
    reached: NDArray[np.uint64] = np.zeros((len(indptr) - 1, _WORDS), np.uint64)
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


def _spread(indptr: NDArray[np.int64], indices: NDArray[np.int32], reached: NDArray[np.uint64]) -> bool:
    """Search one level further: sources that reach a node's in-neighbours reach the node. True where one is new."""
    before, has_grown = reached.copy(), False
    reachable = np.flatnonzero(np.diff(indptr))
    parts = indptr[reachable] // _CHUNK_EDGES
    for nodes in np.split(reachable, np.flatnonzero(np.diff(parts)) + 1) if len(reachable) else []:
        begins = indptr[nodes]
        stop = indptr[nodes[-1] + 1]
        gathered = before[indices[begins[0] : stop]]
        wider = before[nodes] | np.bitwise_or.reduceat(gathered, begins - begins[0], axis=0)
        has_grown = has_grown or bool((wider != before[nodes]).any())
        reached[nodes] = wider
    return has_grown
