"""A part of a graph that is like the whole."""

import numpy as np
from numpy.typing import NDArray

from picluster.controller.drawing.network import edges_among, forest_fire
from picluster.graph.folder import GraphFolder
from picluster.graph.statistics import UnionFind

Structure = tuple[NDArray[np.int64], NDArray[np.int32]]


def structure(edges: list[tuple[int, int]], nodes: int) -> Structure:
    """Of directed edges: (source, target)."""
    order = sorted(edges, key=lambda edge: (edge[1], edge[0]))
    counts = np.bincount([target for _, target in order], minlength=nodes)
    return np.concatenate([[0], np.cumsum(counts)]), np.array([source for source, _ in order], np.int32)


def both_ways(edges: list[tuple[int, int]], nodes: int) -> Structure:
    return structure([*edges, *((right, left) for left, right in edges)], nodes)


def test_the_same_seed_draws_the_same_and_another_another(reddit_like: GraphFolder) -> None:
    arrays = reddit_like.array("indptr"), reddit_like.neighbour_ids()[:]
    first, again, other = (forest_fire(*arrays, 500, seed=seed) for seed in (3, 3, 4))
    assert len(first) == len(set(first.tolist())) == 500
    assert first.tolist() == again.tolist() == sorted(first)
    assert first.tolist() != other.tolist()


def test_a_sample_hangs_together_and_keeps_classes_apart(reddit_like: GraphFolder) -> None:
    """Nodes drawn by themselves from a graph of mean degree 83 at one in fourteen would keep six edges each."""
    indptr, indices = reddit_like.array("indptr"), reddit_like.neighbour_ids()[:]
    nodes = forest_fire(indptr, indices, 500, seed=0)
    pairs = edges_among(indptr, indices, nodes)
    components = UnionFind(len(nodes))
    components.join(*pairs.T)
    assert components.sizes()[0] >= 499
    assert 2 * len(pairs) / len(nodes) > 1.5 * 83 * 500 / reddit_like.meta.nodes
    labels = reddit_like.array("labels")[nodes][pairs]
    assert (labels[:, 0] == labels[:, 1]).mean() > 0.4


def test_a_fire_jumps_where_nothing_is_left_to_burn() -> None:
    pairs = both_ways([(node, node + 1) for node in range(0, 100, 2)], 100)
    assert len(forest_fire(*pairs, 99, seed=0)) == 99
    assert len(forest_fire(*structure([], 10), 4, seed=0)) == 4


def test_a_small_graph_is_taken_whole() -> None:
    assert forest_fire(*both_ways([(0, 1)], 3), 3, seed=0).tolist() == [0, 1, 2]


def test_edges_among_nodes_are_pairs_of_their_places_each_once() -> None:
    arrays = structure([(0, 4), (4, 0), (2, 4), (1, 4), (4, 3), (2, 0)], 5)
    assert edges_among(*arrays, np.array([0, 2, 4])).tolist() == [[0, 1], [0, 2], [1, 2]]
    assert edges_among(*arrays, np.array([1, 3])).shape == (0, 2)
