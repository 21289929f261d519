"""Pairs of nodes, the paths between them, and the graph that an embedding leaves behind."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from picluster.graph.folder import GraphFolder
from picluster.graph.pretraining import (
    UNREACHABLE,
    VALIDATION_PAIRS,
    nearest,
    path_lengths,
    scaled_rows,
    write_embedded,
    write_pairs,
)
from picluster.graph.writer import GraphWriter

if TYPE_CHECKING:
    from numpy.typing import NDArray


def csc(pairs: list[tuple[int, int]], nodes: int) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
    """Undirected edges as in-neighbours."""
    both = sorted({(b, a) for a, b in pairs} | set(pairs), key=lambda edge: (edge[1], edge[0]))
    indptr = np.zeros(nodes + 1, np.int64)
    np.add.at(indptr, [target + 1 for _, target in both], 1)
    return np.cumsum(indptr), np.array([source for source, _ in both], np.int32)


def slow_lengths(indptr: NDArray[np.int64], indices: NDArray[np.int32]) -> NDArray[np.int32]:
    """Floyd's and Warshall's table of all shortest paths."""
    nodes = len(indptr) - 1
    table = np.full((nodes, nodes), np.inf)
    np.fill_diagonal(table, 0)
    for node in range(nodes):
        table[indices[indptr[node] : indptr[node + 1]], node] = np.where(
            indices[indptr[node] : indptr[node + 1]] == node, 0, 1
        )
    for middle in range(nodes):
        table = np.minimum(table, table[:, [middle]] + table[[middle], :])
    return np.where(np.isinf(table), UNREACHABLE, table).astype(np.int32)


@pytest.mark.parametrize("seed", range(5))
def test_path_lengths_are_those_of_the_table_of_all_paths(seed: int) -> None:
    dice = np.random.default_rng(seed)
    nodes = 90
    edges = [(int(a), int(b)) for a, b in dice.integers(0, nodes, (70, 2)) if a != b]
    indptr, indices = csc(edges, nodes)
    sources, targets = dice.integers(0, nodes, (2, 3000)).astype(np.int32)
    assert (path_lengths(indptr, indices, sources, targets) == slow_lengths(indptr, indices)[sources, targets]).all()


def test_more_sources_than_one_search_takes() -> None:
    nodes = 1500
    indptr, indices = csc([(node, node + 1) for node in range(nodes - 1)], nodes)
    sources = np.arange(nodes, dtype=np.int32)
    targets = np.minimum(sources + 7, nodes - 1).astype(np.int32)
    assert (path_lengths(indptr, indices, sources, targets) == targets - sources).all()


@pytest.fixture
def graph(tmp_path: Path) -> GraphFolder:
    """Two rings of six nodes."""
    rings = [(base + n, base + (n + 1) % 6) for base in (0, 6) for n in range(6)]
    indptr, indices = csc(rings, 12)
    with GraphWriter(tmp_path / "rings", source="rings", classes=2) as writer:
        writer.write("indptr", indptr)
        writer.write("indices", indices)
        writer.write("features", np.eye(12, 4, dtype=np.float32) / 3)
        writer.write("labels", np.repeat([0, 1], 6).astype(np.int16))
        for name, ids in (("train", [0, 6]), ("validation", [1, 7]), ("test", [2, 8])):
            writer.write(name, np.array(ids, np.int32))
    return GraphFolder.open(tmp_path / "rings")


def test_a_pair_s_label_is_the_inverse_of_its_path_s_length_and_half_are_edges(
    graph: GraphFolder, tmp_path: Path
) -> None:
    write_pairs(tmp_path / "pairs", graph, count=4000, seed=0)
    pairs = GraphFolder.open(tmp_path / "pairs")
    left, right = np.array(pairs.neighbour_ids()[:]).reshape(-1, 2).T
    labels = np.array(pairs.array("labels"))
    ring = np.abs(left - right) % 6
    lengths = np.maximum(np.minimum(ring, 6 - ring), 1)
    assert np.allclose(labels, np.where(left // 6 == right // 6, 1 / lengths, 0))
    # One half are edges; of the others 3 of 12 are edges or a node and itself.
    assert abs((labels == 1).mean() - (0.5 + 0.5 * 3 / 12)) < 0.01
    assert pairs.meta.splits == {"train": 4000, "validation": VALIDATION_PAIRS, "test": 0}


def test_the_same_seed_draws_the_same_pairs_and_another_one_others(graph: GraphFolder, tmp_path: Path) -> None:
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        write_pairs(tmp_path / name, graph, count=100, seed=seed)
    a, b, c = (np.array(GraphFolder.open(tmp_path / name).neighbour_ids()[:]) for name in "abc")
    assert (a == b).all()
    assert (a != c).any()


def test_the_largest_value_of_a_scaled_row_is_one() -> None:
    rows = np.array([[0.5, 0.25], [0, 0], [-4, 2]], np.float32)
    assert scaled_rows(rows).tolist() == [[1, 0.5], [0, 0], [-1, 0.5]]


def test_the_nearest_are_those_at_the_smallest_angle_and_never_oneself() -> None:
    angles = np.array([0.0, 0.1, 0.3, 2.0, 2.1])
    table = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32) * [[1], [5], [1], [3], [1]]
    assert nearest(table.astype(np.float32), 1).reshape(-1).tolist() == [1, 0, 1, 4, 3]


def test_an_embedded_graph_keeps_labels_and_splits_and_has_wider_features(graph: GraphFolder, tmp_path: Path) -> None:
    table = np.arange(24, dtype=np.float32).reshape(12, 2)
    write_embedded(tmp_path / "embedded", graph, table, neighbours=3)
    embedded = GraphFolder.open(tmp_path / "embedded")
    assert (embedded.meta.nodes, embedded.meta.features, embedded.meta.edges) == (12, 6, 36)
    for name in ("labels", "train", "validation", "test"):
        assert (embedded.array(name) == graph.array(name)).all()
    assert (embedded.array("features")[:, 4:] == table).all()
