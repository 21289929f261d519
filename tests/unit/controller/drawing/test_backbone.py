"""The edges that show communities."""

from itertools import combinations

import numpy as np
import pytest

from picluster.controller.drawing.backbone import backbone, similarities
from picluster.graph.statistics import UnionFind


def test_similarity_is_the_share_of_common_neighbours() -> None:
    pairs = np.array([[0, 1], [0, 2], [1, 2], [2, 3]], np.int32)
    # Neighbours, each node its own: 012, 012, 0123, 23.
    assert similarities(pairs, 4).tolist() == pytest.approx([1, 3 / 4, 3 / 4, 2 / 4])


def test_nodes_beyond_a_word_of_bits_are_told_apart() -> None:
    chain = np.stack([np.arange(199), np.arange(1, 200)], axis=1).astype(np.int32)
    assert similarities(chain, 200)[1:-1].tolist() == pytest.approx([2 / 4] * 197)


def test_between_two_dense_groups_only_a_bridge_stays() -> None:
    groups = [pair for start in (0, 10) for pair in combinations(range(start, start + 10), 2)]
    between = [(node, node + 10) for node in range(5)]
    pairs = np.array(sorted(groups + between), np.int32)
    kept = backbone(pairs, 20, keep=3)
    assert ((kept[:, 0] < 10) & (kept[:, 1] >= 10)).sum() == 1
    assert len(kept) < len(pairs) / 1.5


def test_components_stay_as_they_were() -> None:
    random = np.random.default_rng(0)
    drawn = np.sort(random.integers(0, 300, (400, 2)).astype(np.int32), axis=1)
    pairs = np.unique(drawn[drawn[:, 0] != drawn[:, 1]], axis=0)
    found = []
    for edges in (pairs, backbone(pairs, 300, keep=1)):
        components = UnionFind(300)
        components.join(*edges.T)
        found.append(components.of_nodes().tolist())
    assert found[0] == found[1]


def test_without_edges_there_is_none() -> None:
    assert backbone(np.zeros((0, 2), np.int32), 3, keep=8).shape == (0, 2)
