"""Features in int8 are read as rows of fp32, and everything else is refused in words."""

import numpy as np
import pytest
import torch

from picluster.errors import InputError
from picluster.nn import Block, Layer, Rows, SageLayer, source_of
from picluster.rounding import from_int8, to_int8
from picluster.worker.compute.graph_layer import arrange
from picluster.worker.compute.tracing import trace

ROWS = np.random.default_rng(0).standard_normal((9, 5)).astype(np.float32)
PACKED = to_int8(ROWS)
PLAIN = torch.from_numpy(from_int8(PACKED))
TABLE = source_of(torch.from_numpy(PACKED))
IDS = torch.tensor([3, 0, 8, 3], dtype=torch.int32)


def test_a_block_gives_of_packed_features_what_it_gives_of_the_rows_that_they_hold() -> None:
    degrees = torch.ones(9, dtype=torch.int32)
    members = torch.tensor([1, 2, 3, 3, 7], dtype=torch.int32)
    block = Block(
        ids=IDS, counts=torch.tensor([2, 0, 1, 2]), neighbours=members, source_ids=None, graph_degrees=degrees
    )
    weights = torch.rand(5)
    assert torch.equal(block.targets(TABLE), block.targets(PLAIN))
    torch.testing.assert_close(block.mean(TABLE), block.mean(PLAIN))
    torch.testing.assert_close(block.weighted_sum(TABLE, weights), block.weighted_sum(PLAIN, weights))


def test_rows_and_columns_are_those_that_were_packed() -> None:
    assert (TABLE.shape, len(TABLE)) == ((9, 5), 9)
    assert torch.equal(TABLE[2:4], PLAIN[2:4])
    assert torch.equal(TABLE[:, 1:3].index_select(0, IDS), PLAIN[:, 1:3].index_select(0, IDS))
    assert torch.equal(TABLE.index_select(0, IDS[:0]), PLAIN[:0])


class Odd(SageLayer):
    """Reads the whole table."""

    def aggregate(self, block: Block, rows: Rows) -> Rows:
        return block.rows(h=rows["h"].relu()[block.ids])


class Indexing(SageLayer):
    """Takes rows in another way."""

    def aggregate(self, block: Block, rows: Rows) -> Rows:
        return block.rows(h=rows["h"][block.ids].float())


@pytest.mark.parametrize(("kind", "how"), [(Odd, "have no `relu`"), (Indexing, "by index_select")])
def test_a_layer_that_reads_them_otherwise_is_refused_before_training(kind: type[Layer], how: str) -> None:
    with pytest.raises(InputError, match="fails in `aggregate`") as caught:
        trace(arrange([kind(5, 2)]), 5, in_int8=True)
    assert how in str(caught.value.what)
