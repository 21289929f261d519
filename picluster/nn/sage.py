"""GraphSAGE with the mean aggregator (Hamilton, Ying and Leskovec, 2017, algorithm 1)."""

from __future__ import annotations

from torch.nn import Linear

from picluster.nn.block import Block
from picluster.nn.dropout import Dropout
from picluster.nn.layer import Layer
from picluster.nn.rows import Rows


class SageLayer(Layer):
    """h' = W₁ · mean of the neighbours' h + W₂ · own h + b; parameters as in PyG's `SAGEConv`, by the same names."""

    def __init__(self, inputs: int, outputs: int, *, dropout: float = 0.0, last: bool = False) -> None:
        super().__init__()
        self.dropout = Dropout(dropout)
        self.lin_l = Linear(inputs, outputs)
        self.lin_r = Linear(inputs, outputs, bias=False)
        self.last = last

    def aggregate(self, block: Block, rows: Rows) -> Rows:
        """`h` (S, inputs) → `mean` and `self`, each (T, inputs)."""
        return block.rows(mean=block.mean(rows["h"]), self=block.targets(rows["h"]))

    def transform(self, rows: Rows) -> Rows:
        """`mean` and `self` (T, inputs) → `h` (T, outputs)."""
        rows = self.dropout(rows)
        h = self.lin_l(rows["mean"]) + self.lin_r(rows["self"])
        return rows.having(h=h if self.last else h.relu())
