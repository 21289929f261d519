"""Dropout hashed from node ids."""

from dataclasses import replace
from itertools import combinations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats  # type: ignore[import-untyped]

from picluster.nn import Dropout, Rows, dropout
from picluster.nn.block import Draws
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


def test_each_dropout_and_each_call_in_a_layer_draws_a_mask_of_its_own() -> None:
    first, second = Dropout(0.5), Dropout(0.5)
    second.number = 1  # as a layer's second one
    rows = ones("h")
    masks = [kept_values(module(rows)["h"]) for module in (first, second, first)]
    masks += [kept_values(dropout(rows["h"], 0.5, rows)) for _ in range(2)]
    masks.append(kept_values(dropout(rows["h"], 0.5, replace(rows, draws=Draws(half=1)))))
    for one, other in combinations(masks, 2):
        assert stats.binomtest(int((one == other).sum()), one.numel(), 0.5).pvalue > UNLIKELY
    again = ones("h")
    assert torch.equal(kept_values(first(again)["h"]), masks[0])
    assert torch.equal(kept_values(dropout(again["h"], 0.5, again)), masks[3])


def test_the_function_takes_any_shape_with_a_row_for_each_node_and_scales_what_it_keeps() -> None:
    rows = ones("h")
    for shape in ((), (3,), (2, 5)):
        dropped = dropout(torch.ones(len(NODES), *shape), 0.25, rows)
        assert dropped.shape == (len(NODES), *shape)
        assert torch.equal(dropped[dropped != 0], torch.full((int((dropped != 0).sum()),), 4 / 3))
    with pytest.raises(ValueError, match=f"a row for each of the {len(NODES)} nodes of `rows`, not 3"):
        dropout(torch.ones(3, 2), 0.5, rows)
    with pytest.raises(ValueError, match="must lie in"):
        dropout(rows["h"], 1.0, rows)
    outside = ones("h", dropout_key=None)
    assert torch.equal(dropout(outside["h"], 0.5, outside), outside["h"])


def test_a_tensor_given_to_the_module_is_refused_with_the_function_to_call() -> None:
    with pytest.raises(TypeError, match=r"h = dropout\(h, 0.5, rows\)"):
        Dropout(0.5)(torch.ones(3, 2))


def kept_values(dropped: torch.Tensor) -> torch.Tensor:
    return dropped != 0
