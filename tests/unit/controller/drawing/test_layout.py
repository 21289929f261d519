"""Where nodes lie, and the edges that show communities."""

import random
from itertools import combinations

import numpy as np
import pytest

from picluster.controller.drawing.layout import backbone, layout, packed, similarities
from picluster.graph.statistics import UnionFind

CHAINS = np.array([[0, 1], [1, 2], [2, 3], [3, 4], [6, 7]], np.int32)


def test_the_same_seed_lays_out_the_same_and_leaves_the_generator_of_python_alone() -> None:
    random.seed(1)
    before = random.getstate()
    assert (layout(CHAINS, 9, seed=2) == layout(CHAINS, 9, seed=2)).all()
    assert random.getstate() == before


def test_neighbours_lie_nearer_than_others() -> None:
    """Two rings of 120 nodes, joined by an edge."""
    ring = np.stack([np.arange(120), (np.arange(120) + 1) % 120], axis=1)
    pairs = np.concatenate([ring, ring + 120, [[0, 120]]]).astype(np.int32)
    positions = layout(np.unique(np.sort(pairs, axis=1), axis=0), 240, seed=0)
    joined = np.hypot(*(positions[pairs[:, 0]] - positions[pairs[:, 1]]).T).mean()
    anyone = np.hypot(*(positions[:120] - positions[::-1][:120]).T).mean()
    assert joined < anyone / 3


@pytest.mark.parametrize("nodes", [1, 2, 3, 9, 300])
def test_no_two_nodes_lie_on_each_other(nodes: int) -> None:
    pairs = CHAINS if nodes == 9 else np.zeros((0, 2), np.int32)
    positions = layout(pairs, nodes, seed=0)
    apart = np.hypot(*(positions[:, None] - positions[None]).transpose(2, 0, 1)) + 9 * np.eye(nodes)
    assert np.isfinite(positions).all()
    assert apart.min() > 0.3


def test_packed_parts_do_not_overlap_and_the_largest_is_on_top() -> None:
    random = np.random.default_rng(0)
    parts = [random.uniform(0, np.sqrt(size), (size, 2)) for size in (3, 40, 1, 7, 1, 5)]
    boxes = [(part.min(axis=0), part.max(axis=0)) for part in packed(parts)]
    for number, (low, high) in enumerate(boxes):
        for other_low, other_high in boxes[number + 1 :]:
            assert ((high < other_low) | (other_high < low)).any()
    assert all(boxes[1][0][1] > high[1] for place, (_, high) in enumerate(boxes) if place != 1)


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
        found.append(components.of_nodes.tolist())
    assert found[0] == found[1]


def test_without_edges_there_is_none() -> None:
    assert backbone(np.zeros((0, 2), np.int32), 3, keep=8).shape == (0, 2)
