"""A layer over features, the features of the nearest nodes, and an embedding that was learnt before."""

from __future__ import annotations

import torch
from torch.nn.functional import relu

from picluster.nn.block import Block
from picluster.nn.dense import glorot_linear
from picluster.nn.dropout import Dropout
from picluster.nn.layer import Layer
from picluster.nn.rows import Rows


class NearestLayer(Layer):
    """h' = [ReLU(W x + b), ReLU(W m + b), z]: own features x, mean features m of the neighbours, own embedding z.

    For the graph that pre-training leaves behind: edges lead to the nearest nodes, and each row of the features is x,
    then z. Only x and m are dropped from.
    """

    def __init__(self, inputs: int, outputs: int, *, dropout: float = 0.0) -> None:
        """`inputs`: width of x; what follows in a row is z."""
        super().__init__()
        self.inputs = inputs
        self.dropout = Dropout(dropout)
        self.linear = glorot_linear(inputs, outputs)

    def aggregate(self, block: Block, rows: Rows) -> Rows:
        """`h` (S, inputs + width) → `self` and `mean` (T, inputs), `embedding` (T, width)."""
        own, mean = block.targets(rows["h"]), block.mean(rows["h"])
        return block.rows(
            self=own[:, : self.inputs], mean=mean[:, : self.inputs], embedding=own[:, self.inputs :].contiguous()
        )

    def transform(self, rows: Rows) -> Rows:
        """→ `h` (T, 2 · outputs + width)."""
        seen = self.dropout(rows.having(self=rows["self"], mean=rows["mean"]))
        own, mean = relu(self.linear(seen["self"])), relu(self.linear(seen["mean"]))
        return rows.having(h=torch.cat([own, mean, rows["embedding"]], dim=1))
