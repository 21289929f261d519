"""The fused kernels over a block against plain matrices."""

from dataclasses import dataclass, replace
from functools import partial

import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from picluster.nn import Block

# Sums of up to 700 terms of about 1, which may cancel: both sides round, each in its own order.
close_fp32 = partial(torch.testing.assert_close, rtol=1e-5, atol=1e-5)


@dataclass(frozen=True)
class Case:
    """A block, its source, and the matrix (T, S) of how often each source row is a neighbour."""

    block: Block
    source: Tensor
    matrix: Tensor


def make_case(counts: list[int], extra_rows: int, width: int, seed: int, *, table: bool = False) -> Case:
    """Random neighbours for each target, the same one perhaps several times."""
    random = torch.Generator().manual_seed(seed)
    targets, rows = len(counts), len(counts) + extra_rows
    neighbours = torch.randint(rows, (sum(counts),), dtype=torch.int32, generator=random)
    degrees = torch.randint(1, 100, (rows,), dtype=torch.int32, generator=random)
    ids = torch.randperm(rows, generator=random).to(torch.int32)
    block = Block(
        ids=ids[:targets],
        counts=torch.tensor(counts, dtype=torch.uint8 if max(counts, default=0) < 256 else torch.int32),
        neighbours=neighbours,
        source_ids=None if table else ids,
        graph_degrees=degrees,
    )
    matrix = torch.zeros(targets, rows)
    owners = torch.repeat_interleave(torch.arange(targets), torch.tensor(counts, dtype=torch.int64))
    matrix.index_put_((owners, neighbours.long()), torch.ones(()), accumulate=True)
    return Case(block, torch.randn(rows, width, generator=random), matrix)


cases = st.builds(
    make_case,
    counts=st.lists(st.integers(0, 30), min_size=1, max_size=25),
    extra_rows=st.integers(0, 20),
    width=st.integers(1, 5),
    seed=st.integers(0, 1 << 30),
    table=st.booleans(),
)


def mean_of(case: Case, source: Tensor) -> Tensor:
    return case.matrix @ source / case.matrix.sum(1, keepdim=True).clamp(min=1)


@given(case=cases)
def test_mean_and_its_gradient_equal_a_dense_product(case: Case) -> None:
    fused, dense = case.source.clone().requires_grad_(), case.source.clone().requires_grad_()
    found, expected = case.block.mean(fused), mean_of(case, dense)
    close_fp32(found, expected)
    direction = torch.randn(found.shape, generator=torch.Generator().manual_seed(1))
    (gradient,) = torch.autograd.grad(found, fused, direction)
    close_fp32(gradient, torch.autograd.grad(expected, dense, direction)[0])


@given(case=cases)
def test_weighted_sum_and_its_gradient_equal_a_dense_product(case: Case) -> None:
    row_weights = torch.rand(len(case.source), generator=torch.Generator().manual_seed(2))
    weights = row_weights.index_select(0, case.block.neighbours)
    fused, dense = case.source.clone().requires_grad_(), case.source.clone().requires_grad_()
    found, expected = case.block.weighted_sum(fused, weights), (case.matrix * row_weights) @ dense
    close_fp32(found, expected)
    direction = torch.randn(found.shape, generator=torch.Generator().manual_seed(1))
    (gradient,) = torch.autograd.grad(found, fused, direction)
    close_fp32(gradient, torch.autograd.grad(expected, dense, direction)[0])


@given(case=cases)
def test_targets_are_the_table_rows_of_their_ids_or_the_first_rows_of_the_source(case: Case) -> None:
    source = case.source.clone().requires_grad_()
    places = case.block.ids.long() if case.block.source_ids is None else torch.arange(len(case.block.ids))
    found = case.block.targets(source)
    assert torch.equal(found, case.source[places])
    (gradient,) = torch.autograd.grad(found.sum(), source)
    assert torch.equal(gradient, torch.zeros_like(source).index_fill_(0, places, 1.0))


@given(case=cases)
def test_degrees_are_those_of_the_whole_graph(case: Case) -> None:
    block = case.block
    source_nodes = range(len(case.source)) if block.source_ids is None else block.source_ids.tolist()
    expected = [int(block.graph_degrees[source_nodes[row]]) for row in block.neighbours.tolist()]
    assert block.neighbour_degrees().tolist() == expected
    assert block.target_degrees().tolist() == [int(block.graph_degrees[node]) for node in block.ids.tolist()]


@given(case=cases)
def test_the_rows_of_an_fp16_table_are_bitwise_those_of_the_same_table_in_fp32(case: Case) -> None:
    block, table = case.block, case.source.half()
    weights = torch.rand(len(block.neighbours), generator=torch.Generator().manual_seed(2)) * 1e-6
    assert torch.equal(block.mean(table), block.mean(table.float()))
    assert torch.equal(block.weighted_sum(table, weights), block.weighted_sum(table.float(), weights))
    assert torch.equal(block.targets(table), block.targets(table.float()))


@given(case=cases)
def test_the_type_of_the_counts_does_not_matter(case: Case) -> None:
    wide = replace(case.block, counts=case.block.counts.to(torch.int32))
    assert torch.equal(wide.offsets, case.block.offsets)
    assert wide.offsets.dtype == case.block.offsets.dtype == torch.int32
    assert torch.equal(wide.mean(case.source), case.block.mean(case.source))


def test_targets_without_neighbours_get_zeros_and_pass_no_gradient() -> None:
    case = make_case([0, 3, 0, 0], extra_rows=2, width=4, seed=0)
    source = case.source.clone().requires_grad_()
    weights = torch.ones(3)
    for rows in (case.block.mean(source), case.block.weighted_sum(source, weights)):
        alone = rows[[0, 2, 3]]
        assert not alone.any()
        assert not torch.autograd.grad(alone.sum(), source)[0].any()


def test_a_block_without_any_neighbour_gives_zeros() -> None:
    case = make_case([0, 0], extra_rows=0, width=3, seed=0)
    assert not case.block.mean(case.source).any()
    assert not case.block.weighted_sum(case.source, torch.zeros(0)).any()


def distinct(case: Case) -> Case:
    """The same over the whole graph's table, whose targets are distinct nodes."""
    return replace(case, block=replace(case.block, source_ids=None))


@given(case=cases)
def test_a_gathered_block_reads_the_same_rows_from_a_source_of_just_those_nodes(case: Case) -> None:
    block = distinct(case).block
    gathered = block.gathered()
    assert gathered.source_ids is not None
    nodes = gathered.source_ids.tolist()
    assert nodes[: len(block.ids)] == block.ids.tolist()
    assert len(set(nodes)) == len(nodes)
    assert set(nodes) == {*block.ids.tolist(), *block.neighbours.tolist()}
    assert [nodes[place] for place in gathered.neighbours.tolist()] == block.neighbours.tolist()
    local = case.source[gathered.source_ids.long()]
    assert torch.equal(gathered.mean(local), block.mean(case.source))
    assert torch.equal(gathered.targets(local), block.targets(case.source))
    assert torch.equal(gathered.neighbour_degrees(), block.neighbour_degrees())
    assert torch.equal(gathered.target_degrees(), block.target_degrees())


@given(case=cases, edges=st.integers(0, 60))
def test_pieces_are_the_block_cut_between_targets_and_bounded_unless_a_target_is_above_the_bound(
    case: Case, edges: int
) -> None:
    pieces = list(case.block.pieces(edges))
    assert torch.equal(torch.cat([piece.ids for piece in pieces]), case.block.ids)
    assert torch.equal(torch.cat([piece.mean(case.source) for piece in pieces]), case.block.mean(case.source))
    for piece in pieces:
        assert len(piece.neighbours) == piece.counts.sum()
        assert len(piece.neighbours) <= edges or len(piece.ids) == 1
        assert len(piece.ids) > 0


def test_a_block_without_targets_is_one_piece() -> None:
    (piece,) = make_case([], extra_rows=3, width=2, seed=0).block.pieces(5)
    assert len(piece.ids) == len(piece.neighbours) == 0
