"""Means and sums over bags: fp32 whatever the table, the same bits however they are cut."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn.functional import embedding_bag

from picluster.nn import bags
from picluster.nn.bags import bag_means, bag_sums

HALF_TYPES = (torch.float16, torch.bfloat16)


def offsets_of(counts: Tensor) -> Tensor:
    return torch.cumsum(counts, 0, dtype=torch.int32) - counts


def reference(table: Tensor, members: Tensor, counts: Tensor, weights: Tensor) -> Tensor:
    """Weighted sums in fp64."""
    owners = torch.repeat_interleave(torch.arange(len(counts)), counts.long())
    sums = torch.zeros(len(counts), table.shape[1], dtype=torch.float64)
    return sums.index_add(0, owners, table.double()[members.long()] * weights.double()[:, None])


@pytest.mark.parametrize("value", [0.3, 1000.7, 0.9, 60_000.0])
@pytest.mark.parametrize("dtype", [torch.float16, torch.float32])
@pytest.mark.parametrize("neighbours", [2, 300, 21_700])
def test_the_mean_and_sum_of_many_equal_rows_are_theirs(value: float, dtype: torch.dtype, neighbours: int) -> None:
    table = torch.full((neighbours, 3), value, dtype=dtype)
    members, counts = torch.arange(neighbours, dtype=torch.int32), torch.tensor([neighbours], dtype=torch.int32)
    start = torch.zeros(1, dtype=torch.int32)
    torch.testing.assert_close(bag_means(table, members, counts, start), table[:1].float(), rtol=3e-6, atol=0)
    sums = bag_sums(table, members, counts, start, torch.ones(neighbours))
    torch.testing.assert_close(sums, table[:1].float() * neighbours, rtol=3e-6, atol=0)


@pytest.mark.parametrize("dtype", HALF_TYPES)
def test_large_and_small_bags_agree_with_sums_in_fp64(dtype: torch.dtype) -> None:
    random = torch.Generator().manual_seed(0)
    counts = torch.tensor([0, 1, 256, 257, 0, 20_000, 512, 25], dtype=torch.int32)
    table = (torch.rand(900, 37, generator=random) * 40_000).to(dtype)
    members = torch.randint(900, (int(counts.sum()),), dtype=torch.int32, generator=random)
    weights = torch.rand(len(members), generator=random) * 4.6e-5  # subnormal in fp16
    found = bag_sums(table, members, counts, offsets_of(counts), weights)
    expected = reference(table, members, counts, weights)
    torch.testing.assert_close(found.double(), expected, rtol=2e-6, atol=0)
    means = reference(table, members, counts, torch.ones(len(members))) / counts.clamp(min=1)[:, None]
    torch.testing.assert_close(bag_means(table, members, counts, offsets_of(counts)).double(), means, rtol=2e-6, atol=0)


@settings(deadline=None, max_examples=30)
@given(
    sizes=st.lists(st.sampled_from([0, 1, 2, 25, 255, 256, 257, 600]), min_size=1, max_size=8),
    width=st.sampled_from([1, 5, 40]),
    converted=st.sampled_from([256, 2560, 1 << 19]),
    dtype=st.sampled_from([torch.float16, torch.float32]),
    seed=st.integers(0, 1000),
)
def test_a_bag_has_the_same_bits_alone_and_beside_others_however_much_is_converted_at_a_time(
    sizes: list[int], width: int, converted: int, dtype: torch.dtype, seed: int
) -> None:
    random = torch.Generator().manual_seed(seed)
    counts = torch.tensor(sizes, dtype=torch.int32)
    table = torch.randn(300, width, generator=random).to(dtype)
    members = torch.randint(300, (sum(sizes),), dtype=torch.int32, generator=random)
    weights = torch.rand(sum(sizes), generator=random)
    offsets = offsets_of(counts)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bags, "_CONVERTED_VALUES", converted)
        together = bag_means(table, members, counts, offsets), bag_sums(table, members, counts, offsets, weights)
    for bag, (begin, size) in enumerate(zip(offsets.tolist(), sizes, strict=True)):
        own, start = slice(begin, begin + size), torch.zeros(1, dtype=torch.int32)
        count, wide = counts[bag : bag + 1], table.float()
        assert torch.equal(bag_means(wide, members[own], count, start)[0], together[0][bag])
        assert torch.equal(bag_sums(wide, members[own], count, start, weights[own])[0], together[1][bag])


def test_gradients_of_large_bags_are_those_of_a_dense_product() -> None:
    random = torch.Generator().manual_seed(3)
    counts = torch.tensor([3, 700, 0], dtype=torch.int32)
    table = torch.randn(50, 4, generator=random, dtype=torch.float64, requires_grad=True)
    members = torch.randint(50, (703,), dtype=torch.int32, generator=random)
    weights = torch.rand(703, generator=random)
    direction = torch.randn(3, 4, generator=random, dtype=torch.float64)
    shares = torch.repeat_interleave(1 / counts.clamp(min=1).double(), counts.long())
    for found, factors in (
        (bag_sums(table, members, counts, offsets_of(counts), weights), weights),
        (bag_means(table, members, counts, offsets_of(counts)), shares),
    ):
        expected = reference(table, members, counts, factors)
        torch.testing.assert_close(found, expected, rtol=1e-6, atol=1e-9)
        (gradient,) = torch.autograd.grad(found, table, direction)
        (wanted,) = torch.autograd.grad(expected, table, direction)
        torch.testing.assert_close(gradient, wanted, rtol=1e-6, atol=1e-9)


def test_a_wide_fp16_table_is_converted_in_pieces_of_bounded_size(monkeypatch: pytest.MonkeyPatch) -> None:
    largest, kernel = 0, embedding_bag

    def watched(members: Tensor, source: Tensor, *rest: Tensor, **options: object) -> Tensor:
        nonlocal largest
        largest = max(largest, source.numel())
        return kernel(members, source, *rest, **options)  # type: ignore[arg-type]

    monkeypatch.setattr("picluster.nn.bags.embedding_bag", watched)
    counts = torch.tensor([700, 1], dtype=torch.int32)
    members = torch.zeros(701, dtype=torch.int32)
    bag_means(torch.ones(1, 5000, dtype=torch.float16), members, counts, offsets_of(counts))
    assert largest <= 1 << 19
