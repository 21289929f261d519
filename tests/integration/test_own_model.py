"""One's own model file, in real processes: any plan learns the same, or the launch says beforehand why not."""

from __future__ import annotations

import pytest

from tests.integration.desk import GRAPH, Desk, losses

OWN = """
import torch
from torch import nn

from picluster.nn import Dropout, GcnLayer, Layer, RowLayer, dropout


class Own(Layer):
    def __init__(self, inputs, outputs):
        super().__init__()
        self.linear = nn.Linear(2 * inputs, outputs)
        self.transposed = nn.Parameter(torch.randn(outputs, outputs).t())
        self.norm, self.drop = nn.LayerNorm(outputs), Dropout(0.3)

    def aggregate(self, block, rows):
        return block.rows(mean=block.mean(rows["h"]), own=block.targets(rows["h"]))

    def transform(self, rows):
        h = self.linear(torch.cat([rows["mean"], rows["own"]], dim=1))
        h = dropout(self.norm(h).relu(), 0.4, rows)
        h = (h[:, :, None] * self.transposed.t()[None]).sum(2)
        h = self.drop(rows.having(h=dropout(h, 0.2, rows)))["h"]
        print("epoch by epoch")
        return rows.having(h=2 * h if self.training else h)


class Half(RowLayer):
    def transform(self, rows):
        return rows.having(h={row})


def layers(*, features, classes, hidden=12):
    return [Own(features, hidden), Half(), GcnLayer(hidden, hidden), Own(hidden, classes)]
"""
ROW = 'rows["h"].chunk(2, dim=1)[0].repeat(1, 2)'
SAME = (*GRAPH, "--model", "own.py", "--fanout", "4,3,3", "--batch-size", "64", "--micro-batches", "6", "--epochs", "2")


@pytest.mark.slow
@pytest.mark.thorough  # as in test_wheel.py, under every plan
def test_an_own_model_of_fixed_depth_learns_the_same_bits_under_every_plan(desk: Desk) -> None:
    (desk.folder / "own.py").write_text(OWN.replace("{row}", ROW))
    plans = [("--strategy", "single"), ("--strategy", "data-parallel", "--nodes", "3"), ("--layers-per-node", "1")]
    single, *others = (losses(desk.launch(*SAME, *plan)) for plan in plans)
    assert len(single) >= 4
    assert others == [single, single]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("row", "words", "told"),
    [
        ("nn.functional.dropout(rows['h'])", (), "line 29: layer 2 (Half) draws random numbers from torch's generator"),
        (ROW, ("--hidden", "100000000"), "parameters: "),
    ],
    ids=["draw", "size"],
)
def test_a_launch_refuses_an_own_model_before_anything_starts(
    desk: Desk, row: str, words: tuple[str, ...], told: str
) -> None:
    (desk.folder / "own.py").write_text(OWN.replace("{row}", row))
    before = desk.runs()
    done = desk.picluster("launch", *GRAPH, "--model", "own.py", "--epochs", "1", *words)
    assert (done.returncode, done.stdout) == (2, "")
    assert told in done.stderr
    assert "\n  fix: " in done.stderr
    assert desk.runs() == before
