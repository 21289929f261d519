"""Degrees, homophily, labels and components of a graph."""

from pathlib import Path

import numpy as np
import pytest

from picluster.graph import statistics
from picluster.graph.folder import GraphFolder
from picluster.graph.statistics import UnionFind, statistics_of
from tests.unit.graph.small_graph import write_small_graph


def test_a_small_graph_is_counted_by_hand(tmp_path: Path) -> None:
    write_small_graph(tmp_path / "small")  # labels 0, 1, 1, -1; edges 1→0, 0→1, 2→1, 1→2
    found = statistics_of(GraphFolder.open(tmp_path / "small"))
    assert found.degrees.tolist() == [1, 2, 1, 0]
    assert (found.isolated, found.unlabelled, found.homophily) == (1, 1, 0.5)
    assert found.labels.tolist() == [1, 2]
    assert found.components.tolist() == [3, 1]


@pytest.mark.parametrize("chunk", [1, 1000, 1 << 30])
def test_the_size_of_chunks_does_not_matter(
    reddit_like: GraphFolder, monkeypatch: pytest.MonkeyPatch, chunk: int
) -> None:
    monkeypatch.setattr(statistics, "_CHUNK_EDGES", max(chunk, reddit_like.meta.edges // 500))
    labels, targets = reddit_like.array("labels"), np.repeat(np.arange(6989), np.diff(reddit_like.array("indptr")))
    expected = (labels[targets] == labels[reddit_like.neighbour_ids()[:]]).mean()
    found = statistics_of(reddit_like)
    assert found.homophily == pytest.approx(expected, abs=1e-12)
    assert (found.components.sum(), found.components[0] > 6900) == (6989, True)


def test_a_graph_without_edges_has_no_homophily(tmp_path: Path) -> None:
    write_small_graph(tmp_path / "small", indptr=np.zeros(5, np.int64), indices=np.zeros(0, np.int32))
    found = statistics_of(GraphFolder.open(tmp_path / "small"))
    assert (found.homophily, found.isolated) == (None, 4)


def test_components_are_counted_whatever_the_direction() -> None:
    found = UnionFind(7)
    found.join(np.array([1, 5]), np.array([0, 4]))
    found.join(np.array([3]), np.array([0]))
    assert found.of_nodes.tolist() == [0, 0, 2, 0, 4, 4, 6]
    assert found.sizes().tolist() == [3, 2, 1, 1]


@pytest.mark.parametrize("chunk", [1, 37, 3000])
def test_a_long_chain_is_one_whatever_the_order_and_the_chunks(chunk: int) -> None:
    order = np.random.default_rng(0).permutation(2999)
    found = UnionFind(3000)
    for start in range(0, len(order), chunk):
        found.join(order[start : start + chunk] + 1, order[start : start + chunk])
    assert found.sizes().tolist() == [3000]


def test_without_edges_each_node_is_one() -> None:
    assert UnionFind(3).sizes().tolist() == [1, 1, 1]
