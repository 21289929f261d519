"""Connected components, joined in any order."""

import numpy as np
import pytest

from picluster.graph.components import UnionFind


def test_components_are_counted_whatever_the_direction() -> None:
    found = UnionFind(7)
    found.join(np.array([1, 5]), np.array([0, 4]))
    found.join(np.array([3]), np.array([0]))
    assert found.of_nodes().tolist() == [0, 0, 2, 0, 4, 4, 6]
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
