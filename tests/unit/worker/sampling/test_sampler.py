"""Neighbour sampling: true neighbours, without replacement, uniform, the same however the work is divided."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import stats  # type: ignore[import-untyped]

from picluster.randomness import Purpose, key
from picluster.worker.sampling.sampler import NeighbourSampler, Sample, cut, distinct_draws, shuffled
from tests.unit.worker.random_graph import RandomGraph, graphs

Ids = NDArray[np.int32]
UNLIKELY = 1e-5
"""Below this a p-value counts as a failure; all keys here are fixed, so a test either always passes or never."""
KEY = key(7, Purpose.SAMPLE, 1, 2, 3)
fanouts = st.one_of(st.none(), st.integers(1, 12), st.just(300))
seeds_of_randomness = st.integers(0, 1 << 30)


def sampler_of(
    graph: RandomGraph, fanout: tuple[int, ...] | None = None, *, depth: int = 2, seed: int = 0
) -> NeighbourSampler:
    return NeighbourSampler(graph.indptr, graph.indices, fanout=fanout, depth=depth, seed=seed)


def some_nodes(data: st.DataObject, graph: RandomGraph) -> Ids:
    return np.array(data.draw(st.lists(st.integers(0, graph.nodes - 1), min_size=1, unique=True)), np.int32)


def per_target(counts: NDArray[np.uint8] | NDArray[np.int32], neighbours: Ids) -> list[list[int]]:
    parts = np.split(neighbours, np.cumsum(counts, dtype=np.int64)[:-1])
    return [[int(each) for each in part] for part in parts]


def drawn_ids(sample: Sample, layer: int) -> list[list[int]]:
    """The sampled neighbours of each target of a layer (from 0), as node ids."""
    hop = sample.hops[layer]
    neighbours = hop.neighbours if layer == 0 else sample.ids[hop.neighbours]
    return per_target(hop.counts, neighbours)


@given(graph=graphs, fanout=fanouts, seed=seeds_of_randomness, data=st.data())
def test_neighbours_are_distinct_true_neighbours_and_all_where_the_degree_is_not_above_the_fanout(
    graph: RandomGraph, fanout: int | None, seed: int, data: st.DataObject
) -> None:
    ids = some_nodes(data, graph)
    counts, neighbours = sampler_of(graph).neighbours(ids, fanout, key(seed, Purpose.SAMPLE))
    assert len(neighbours) == counts.sum(dtype=np.int64)
    for node, drawn in zip(ids, per_target(counts, neighbours), strict=True):
        true = graph.neighbours(node)
        assert len(set(drawn)) == len(drawn)
        assert set(drawn) <= set(true)
        if fanout is None or len(true) <= fanout:
            assert drawn == true
        else:
            assert len(drawn) == fanout


@given(graph=graphs, fanout=fanouts, seed=seeds_of_randomness, data=st.data())
def test_a_nodes_draws_are_the_same_whatever_the_order_and_the_division_of_the_frontier(
    graph: RandomGraph, fanout: int | None, seed: int, data: st.DataObject
) -> None:
    ids, draw_key, sampler = some_nodes(data, graph), key(seed, Purpose.SAMPLE), sampler_of(graph)
    whole = dict(zip(ids.tolist(), per_target(*sampler.neighbours(ids, fanout, draw_key)), strict=True))
    shuffled_ids = np.array(data.draw(st.permutations(ids.tolist())), np.int32)
    middle = data.draw(st.integers(0, len(ids)))
    for part in (shuffled_ids[:middle], shuffled_ids[middle:]):
        if len(part):
            drawn = per_target(*sampler.neighbours(part, fanout, draw_key))
            assert dict(zip(part.tolist(), drawn, strict=True)) == {node: whole[node] for node in part.tolist()}


@pytest.mark.parametrize(("fanout", "dtype"), [(1, np.uint8), (255, np.uint8), (256, np.int32), (None, np.int32)])
def test_counts_take_one_byte_where_the_fanout_allows_it(fanout: int | None, dtype: type) -> None:
    degree = 300
    indptr, indices = np.array([0, degree, degree], np.int64), np.arange(degree, dtype=np.int32)
    sampler = NeighbourSampler(indptr, indices, fanout=None, depth=1, seed=0)
    counts, neighbours = sampler.neighbours(np.array([0, 1], np.int32), fanout, KEY)
    assert counts.dtype == dtype
    assert counts.tolist() == [min(degree, fanout or degree), 0]
    assert neighbours.dtype == np.int32


def p_value_of_subsets(chosen: NDArray[np.int32], size: int) -> float:
    """Of every subset of range(size) being drawn equally often. `chosen`: (draws, count)."""
    codes = (1 << chosen.astype(np.int64)).sum(axis=1)
    subsets = [sum(1 << each for each in subset) for subset in combinations(range(size), chosen.shape[1])]
    observed = np.bincount(codes, minlength=1 << size)
    assert observed.sum() == observed[subsets].sum(), "something was drawn twice or lies outside"
    return float(stats.chisquare(observed[subsets]).pvalue)


@pytest.mark.parametrize(("size", "count"), [(2, 1), (9, 1), (7, 2), (12, 2), (6, 3), (6, 5), (9, 4)])
def test_every_subset_of_neighbours_is_equally_likely_over_nodes(size: int, count: int) -> None:
    ids = np.arange(60_000, dtype=np.int32)
    sizes = np.full(len(ids), size, np.int32)
    for epoch in range(3):
        chosen = distinct_draws(ids, sizes, count, key(0, Purpose.SAMPLE, epoch))
        assert p_value_of_subsets(chosen, size) > UNLIKELY


@pytest.mark.parametrize(("size", "count"), [(5, 1), (7, 2), (4, 3)])
def test_every_subset_of_neighbours_is_equally_likely_over_epochs(size: int, count: int) -> None:
    node = np.array([3], np.int32)
    indptr = np.array([0, 0, 0, 0, size], np.int64)
    sampler = NeighbourSampler(indptr, np.arange(size, dtype=np.int32), fanout=(count,), depth=1, seed=11)
    drawn = [sampler.sample(node, purpose=Purpose.SAMPLE, epoch=epoch, step=1) for epoch in range(8_000)]
    chosen = np.array([sample.hops[0].neighbours for sample in drawn])
    assert p_value_of_subsets(chosen, size) > UNLIKELY


@pytest.mark.parametrize(("size", "count"), [(26, 25), (40, 25), (500, 25), (11, 10), (50, 10)])
def test_each_neighbour_and_each_pair_is_included_with_its_probability(size: int, count: int) -> None:
    draws = 40_000
    chosen = distinct_draws(np.arange(draws, dtype=np.int32), np.full(draws, size, np.int32), count, KEY)
    included = np.zeros((draws, size), np.float32)
    np.put_along_axis(included, chosen.astype(np.int64), 1.0, axis=1)
    assert (included.sum(axis=1) == count).all()
    together = included.T @ included  # exact: counts stay below 2^24
    one, two = count / size, count * (count - 1) / (size * (size - 1))
    deviations = np.diag(together) - draws * one
    # Inclusions of one row add up to `count`: each pair's covariance is -p (1 - p) / (size - 1).
    statistic = float((deviations**2).sum()) / (draws * one * (1 - one)) * (size - 1) / size
    assert stats.chi2.sf(statistic, size - 1) > UNLIKELY
    pairs = together[np.triu_indices(size, 1)]
    largest = np.abs(pairs - draws * two).max() / np.sqrt(draws * two * (1 - two))
    assert largest < stats.norm.isf(UNLIKELY / len(pairs) / 2)


@given(sizes=st.lists(st.integers(6, 1 << 20), min_size=1, max_size=40), seed=seeds_of_randomness)
def test_draws_are_distinct_and_below_the_size(sizes: list[int], seed: int) -> None:
    chosen = distinct_draws(
        np.arange(len(sizes), dtype=np.int32), np.array(sizes, np.int32), 5, key(seed, Purpose.SAMPLE)
    )
    assert chosen.min() >= 0
    assert (chosen < np.array(sizes)[:, None]).all()
    assert all(len(set(row)) == len(row) for row in chosen.tolist())


@given(
    graph=graphs,
    fanout=st.one_of(st.none(), st.lists(st.integers(1, 6), min_size=1, max_size=4)),
    seed=seeds_of_randomness,
    data=st.data(),
)
def test_frontiers_are_nested_and_positions_point_to_what_each_target_drew(
    graph: RandomGraph, fanout: list[int] | None, seed: int, data: st.DataObject
) -> None:
    depth = len(fanout) if fanout else data.draw(st.integers(1, 3))
    sampler = sampler_of(graph, tuple(fanout) if fanout else None, depth=depth, seed=seed)
    seeds = some_nodes(data, graph)
    sample = sampler.sample(seeds, purpose=Purpose.SAMPLE, epoch=4, step=5)
    assert len(sample.hops) == len(sample.frontiers) == depth
    assert len(sample.ids) == sample.frontiers[0]
    assert sample.ids[: sample.frontiers[-1]].tolist() == seeds.tolist()
    assert len(np.unique(sample.ids)) == len(sample.ids)
    reached = set(seeds.tolist())
    for layer in reversed(range(depth)):
        targets = sample.ids[: sample.frontiers[layer]]
        assert set(targets.tolist()) == reached
        hop_fanout = fanout[depth - 1 - layer] if fanout else None
        alone = sampler.neighbours(targets, hop_fanout, key(seed, Purpose.SAMPLE, 4, 5, layer))
        drawn = drawn_ids(sample, layer)
        assert drawn == per_target(*alone)
        reached |= {node for row in drawn for node in row}


@given(graph=graphs, depth=st.integers(1, 4), data=st.data())
def test_fanout_all_reaches_the_whole_neighbourhood(graph: RandomGraph, depth: int, data: st.DataObject) -> None:
    seeds = some_nodes(data, graph)
    sample = sampler_of(graph, depth=depth).sample(seeds, purpose=Purpose.SAMPLE, epoch=1, step=1)
    for layer in range(depth):
        targets = sample.ids[: sample.frontiers[layer]].tolist()
        assert drawn_ids(sample, layer) == [graph.neighbours(node) for node in targets]


@given(graph=graphs, seed=seeds_of_randomness, data=st.data())
def test_nodes_draw_the_same_in_whichever_micro_batch_they_are(
    graph: RandomGraph, seed: int, data: st.DataObject
) -> None:
    sampler, drawn = sampler_of(graph, (2, 3, 2), seed=seed), [dict[int, list[int]]() for _ in range(3)]
    for _ in range(3):
        sample = sampler.sample(some_nodes(data, graph), purpose=Purpose.SAMPLE, epoch=1, step=1)
        for layer in range(3):
            for node, row in zip(sample.ids.tolist(), drawn_ids(sample, layer), strict=False):
                assert drawn[layer].setdefault(node, row) == row


def test_epochs_steps_purposes_layers_and_seeds_draw_differently() -> None:
    nodes, degree = 200, 50
    indptr = np.arange(0, nodes * degree + 1, degree, dtype=np.int64)
    indices = np.tile(np.arange(degree, dtype=np.int32), nodes)
    ids = np.arange(nodes, dtype=np.int32)

    def draws(
        layer: int = 0, *, purpose: Purpose = Purpose.SAMPLE, epoch: int = 1, step: int = 1, seed: int = 0
    ) -> list[list[int]]:
        sampler = NeighbourSampler(indptr, indices, fanout=(5, 5), depth=2, seed=seed)
        return drawn_ids(sampler.sample(ids, purpose=purpose, epoch=epoch, step=step), layer)

    others = [draws(1), draws(epoch=2), draws(step=2), draws(purpose=Purpose.VALIDATE), draws(seed=1)]
    for other in others:
        same = sum(len(set(first) & set(second)) for first, second in zip(draws(), other, strict=True))
        # Five of fifty meet five others 0.5 times on average; 100 ± 10 over 200 nodes.
        assert 50 < same < 150


@given(ids=st.lists(st.integers(0, 1 << 30), unique=True), seed=seeds_of_randomness, epoch=st.integers(0, 9))
def test_shuffled_is_a_permutation_that_does_not_depend_on_the_order_before(
    ids: list[int], seed: int, epoch: int
) -> None:
    array = np.array(ids, np.int32)
    order = shuffled(array, seed, epoch)
    assert sorted(order.tolist()) == sorted(ids)
    assert order.dtype == np.int32
    np.testing.assert_array_equal(shuffled(array[::-1], seed, epoch), order)


def test_every_order_is_equally_likely_over_epochs_and_over_seeds() -> None:
    ids = np.array([5, 9, 1000, 1001], np.int32)
    for kind in ("epochs", "seeds"):
        codes = [
            tuple(shuffled(ids, 0, number) if kind == "epochs" else shuffled(ids, number, 1)) for number in range(6_000)
        ]
        _, counts = np.unique(np.array(codes), axis=0, return_counts=True)
        assert len(counts) == 24
        assert stats.chisquare(counts).pvalue > UNLIKELY


@given(sizes=st.lists(st.integers(1, 9), min_size=1, max_size=8))
def test_cut_gives_micro_batches_of_the_sizes_in_order(sizes: list[int]) -> None:
    seeds = np.arange(sum(sizes), dtype=np.int32)
    parts = cut(seeds, sizes)
    assert [len(part) for part in parts] == sizes
    assert np.concatenate(parts).tolist() == seeds.tolist()


@given(graph=graphs, data=st.data())
def test_all_neighbours_are_all_in_the_order_of_the_targets_whether_these_are_successive_or_not(
    graph: RandomGraph, data: st.DataObject
) -> None:
    sampler, begin = sampler_of(graph), data.draw(st.integers(0, graph.nodes - 1))
    successive = np.arange(begin, data.draw(st.integers(begin + 1, graph.nodes)), dtype=np.int32)
    for ids in (successive, some_nodes(data, graph), successive[:0]):
        counts, neighbours = sampler.all_neighbours(ids)
        assert counts.dtype == neighbours.dtype == np.int32
        assert counts.tolist() == [len(graph.neighbours(node)) for node in ids.tolist()]
        assert neighbours.tolist() == [each for node in ids.tolist() for each in graph.neighbours(node)]


def test_all_neighbours_are_a_copy_that_others_may_change() -> None:
    indptr, indices = np.array([0, 2, 3], np.int64), np.array([1, 1, 0], np.int32)
    sampler = NeighbourSampler(indptr, indices, fanout=None, depth=1, seed=0)
    _, neighbours = sampler.all_neighbours(np.arange(2, dtype=np.int32))
    neighbours[:] = 7
    assert indices.tolist() == [1, 1, 0]
