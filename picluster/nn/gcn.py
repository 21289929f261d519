"""Graph convolutional network (Kipf and Welling, 2017, equation 2)."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import Linear, Parameter
from torch.nn.functional import linear

from picluster.nn.block import Block
from picluster.nn.dropout import Dropout
from picluster.nn.layer import Layer
from picluster.nn.rows import Rows


class GcnLayer(Layer):
    """h' = D^-½ (A + I) D^-½ h · W + b; the same parameters as PyG's `GCNConv`, by the same names."""

    def __init__(self, inputs: int, outputs: int, *, dropout: float = 0.0, last: bool = False) -> None:
        super().__init__()
        self.dropout = Dropout(dropout)
        self.lin = Linear(inputs, outputs, bias=False)
        torch.nn.init.xavier_uniform_(self.lin.weight)
        self.bias = Parameter(torch.zeros(outputs))
        self.last = last

    def aggregate(self, block: Block, rows: Rows) -> Rows:
        """`h` (S, inputs) → `h` (T, inputs)."""
        return block.rows(h=normalised_sum(block, rows["h"]))

    def transform(self, rows: Rows) -> Rows:
        """`h` (T, inputs) → `h` (T, outputs)."""
        h = linear(self.dropout(rows)["h"], self.lin.weight, self.bias)
        return rows.having(h=h if self.last else h.relu())


def normalised_sum(block: Block, source: Tensor) -> Tensor:
    """The targets' rows of D^-½ (A + I) D^-½ · `source` (S, width), in fp32: (T, width).

    With sampled neighbours the degrees stay those of the whole graph, the self-loop is always kept, and the
    neighbours' sum is scaled by degree / sampled: the sum's expectation is the exact one.
    """
    degrees = block.target_degrees()
    own = (degrees + 1).float().rsqrt()[:, None]
    sampled = (degrees / block.counts.clamp(min=1))[:, None]
    neighbours = block.weighted_sum(source, (block.neighbour_degrees() + 1).float().rsqrt())
    return own * (sampled * neighbours + own * block.targets(source))
