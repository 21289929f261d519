"""A graph folder for the training that follows pre-training: nearest nodes for neighbours, wider features."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from picluster.graph.folder import SPLITS, GraphFolder
from picluster.graph.pretraining.pairs import scaled_rows
from picluster.graph.writer import GraphWriter

_CHUNK_VALUES = 1 << 24

Table = NDArray[np.float32]


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
