"""Dropout hashed from node ids."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats  # type: ignore[import-untyped]

from picluster.nn import Dropout, Rows
from picluster.randomness import Key, Purpose, key

UNLIKELY = 1e-5
KEY = key(3, Purpose.DROPOUT, 1, 2, 3)
NODES = torch.arange(4_000, dtype=torch.int32)
WIDTH = 65


def ones(*names: str, ids: torch.Tensor = NODES, width: int = WIDTH, dropout_key: Key | None = KEY) -> Rows:
    return Rows({name: torch.ones(len(ids), width) for name in names}, ids, dropout_key)


def kept(rows: Rows, probability: float = 0.5) -> torch.Tensor:
    """The mask of one tensor of ones."""
    dropped: Rows = Dropout(probability)(rows)
    return dropped["h"] != 0


@pytest.mark.parametrize("probability", [0.0001, 0.1, 0.5, 0.9])
def test_the_probability_is_met_in_all_and_in_each_column(probability: float) -> None:
    dropped = ~kept(ones("h"), probability)
    assert stats.binomtest(int(dropped.sum()), dropped.numel(), probability).pvalue > UNLIKELY
    for column in dropped.T:
        assert stats.binomtest(int(column.sum()), len(column), probability).pvalue > UNLIKELY / WIDTH


@pytest.mark.parametrize("probability", [0.1, 0.5, 0.9])
def test_kept_values_are_scaled_so_that_the_expectation_stays(probability: float) -> None:
    dropped = Dropout(probability)(ones("h"))["h"]
    scale = dropped.max()
    assert torch.equal(dropped, scale * (dropped != 0))
    # What is promised is 1/131072 of the probability.
    assert abs(float(scale) * (1 - probability) - 1) <= 2**-17 / (1 - probability) + 1e-6


def test_values_are_scaled_and_gradients_go_through_the_mask() -> None:
    values = torch.randn(len(NODES), 8, generator=torch.Generator().manual_seed(0)).requires_grad_()
    rows = Dropout(0.25)(Rows({"h": values}, NODES, KEY))
    factors = Dropout(0.25)(ones("h", width=8))["h"]
    assert torch.equal(rows["h"], values * factors)
    assert torch.equal(torch.autograd.grad(rows["h"].sum(), values)[0], factors)


@given(chosen=st.lists(st.integers(0, len(NODES) - 1), min_size=1, max_size=50), width=st.integers(1, 9))
def test_a_mask_depends_on_the_node_and_not_on_its_row_or_on_who_else_is_there(chosen: list[int], width: int) -> None:
    whole = kept(ones("h", width=width))
    part = kept(ones("h", ids=NODES[chosen], width=width))
    assert torch.equal(part, whole[chosen])


def test_columns_tensors_nodes_and_keys_get_independent_masks() -> None:
    rows = Dropout(0.5)(ones("h", "self", "h0"))
    columns = torch.cat([tensor != 0 for tensor in rows.tensors.values()], dim=1).float()
    size, (count, width) = len(NODES), columns.shape
    agreement = (2 * columns - 1).T @ (2 * columns - 1)  # (columns, columns): size where two masks are equal
    largest = agreement.fill_diagonal_(0).abs().max() / size**0.5
    assert largest < stats.norm.isf(UNLIKELY / width**2)
    by_node = (2 * columns - 1) @ (2 * columns[:500] - 1).T
    largest_by_node = by_node[500:].abs().max() / width**0.5
    assert largest_by_node < stats.norm.isf(UNLIKELY / (500 * count)) + 0.5
    for other in (key(4, Purpose.DROPOUT, 1, 2, 3), key(3, Purpose.DROPOUT, 1, 3, 3), key(3, Purpose.DROPOUT, 1, 2, 4)):
        same = int((kept(ones("h", dropout_key=other)) == kept(ones("h"))).sum())
        assert stats.binomtest(same, size * WIDTH, 0.5).pvalue > UNLIKELY


@pytest.mark.parametrize(("probability", "dropout_key"), [(0.5, None), (0.0, KEY)])
def test_nothing_is_dropped_without_a_key_or_with_probability_0(probability: float, dropout_key: Key | None) -> None:
    rows = ones("h", "self", dropout_key=dropout_key)
    assert Dropout(probability)(rows) is rows


def test_names_order_and_nodes_stay() -> None:
    rows = Dropout(0.5)(ones("mean", "self"))
    assert list(rows.tensors) == ["mean", "self"]
    assert rows.ids is NODES


@pytest.mark.parametrize("probability", [-0.1, 1.0, 1.5, float("nan")])
def test_a_probability_outside_0_to_1_is_refused(probability: float) -> None:
    with pytest.raises(ValueError, match="dropout must lie in"):
        Dropout(probability)
