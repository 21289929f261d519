"""GCNII's layer: its values, and what it carries."""

import pytest
import torch

from picluster.nn import Block, Dropout, Gcn2Layer, Rows
from picluster.randomness import Purpose, key

WIDTH = 3


@pytest.mark.parametrize("values", [{"alpha": -0.1}, {"alpha": 1.1}, {"theta": 0.0}, {"theta": -1.0}])
def test_values_outside_their_range_are_refused_by_name(values: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=r"alpha must lie in \[0, 1\] and theta above 0, not"):
        Gcn2Layer(WIDTH, 1, **values)  # type: ignore[arg-type]


@pytest.mark.parametrize("alpha", [0.0, 1.0])
def test_the_ends_of_alphas_range_are_taken(alpha: float) -> None:
    assert Gcn2Layer(WIDTH, 1, alpha=alpha).alpha == alpha


def ring() -> Block:
    nodes = torch.arange(4, dtype=torch.int32)
    two = torch.full((4,), 2, dtype=torch.int32)
    neighbours = torch.stack([nodes.roll(1), nodes.roll(-1)], 1).flatten()
    return Block(ids=nodes, counts=two, neighbours=neighbours, source_ids=nodes, graph_degrees=two)


def test_the_first_rows_are_carried_to_the_last_layer_which_mixes_them_in_for_good() -> None:
    block = ring()
    first = Rows({"h": torch.randn(4, WIDTH)}, block.ids)
    inner, last = Gcn2Layer(WIDTH, 1, alpha=0.25), Gcn2Layer(WIDTH, 2, alpha=0.25, last=True)
    rows = inner.transform(inner.aggregate(block, first))
    assert torch.equal(rows["h0"], first["h"])
    aggregated = last.aggregate(block, rows)
    assert set(aggregated.tensors) == {"h"}
    around = (rows["h"] + rows["h"].roll(1, 0) + rows["h"].roll(-1, 0)) / 3
    torch.testing.assert_close(aggregated["h"], 0.75 * around + 0.25 * first["h"])


def test_what_is_dropped_is_what_is_added_up_never_the_first_rows() -> None:
    block, layer = ring(), Gcn2Layer(WIDTH, 1, alpha=0.5, dropout=0.5)
    rows = Rows({"h": torch.ones(4, WIDTH)}, block.ids, key(0, Purpose.DROPOUT, 1, 1, 1))
    dropped = Dropout(0.5)(Rows(rows.tensors, rows.ids, rows.dropout_key))["h"]
    assert not torch.equal(dropped, rows["h"])
    found = layer.aggregate(block, rows)
    assert torch.equal(found["h0"], rows["h"])
    around = (dropped + dropped.roll(1, 0) + dropped.roll(-1, 0)) / 3
    torch.testing.assert_close(found["h"], 0.5 * around + 0.5)
