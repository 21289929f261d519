"""Where nodes lie."""

import random

import numpy as np
import pytest

from picluster.controller.drawing.layout import layout, packed

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
