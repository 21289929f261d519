"""Graph convolutional network (Kipf and Welling, 2017, equation 2)."""

from __future__ import annotations

import torch
from torch.nn import Linear

from picluster.nn.block import Block
from picluster.nn.dropout import Dropout
from picluster.nn.layer import Layer
from picluster.nn.rows import Rows


class GcnLayer(Layer):
    """h' = D^-½ (A + I) D^-½ h · W + b; the same parameters as PyG's `GCNConv`.

    With sampled neighbours the degrees stay those of the whole graph, the self-loop is always kept, and the
    neighbours' sum is scaled by degree / sampled: the sum's expectation is the exact one.
    """

    def __init__(self, inputs: int, outputs: int, *, dropout: float = 0.0, last: bool = False) -> None:
        super().__init__()
        self.dropout = Dropout(dropout)
        self.linear = Linear(inputs, outputs)
        torch.nn.init.xavier_uniform_(self.linear.weight)
        torch.nn.init.zeros_(self.linear.bias)
        self.last = last

    def aggregate(self, block: Block, rows: Rows) -> Rows:
        """`h` (S, inputs) → `h` (T, inputs)."""
        source = rows["h"]
        degrees = block.target_degrees()
        own = (degrees + 1).float().rsqrt()[:, None]
        sampled = (degrees / block.counts.clamp(min=1))[:, None]
        # The target's factor is applied in fp32 afterwards: both factors together would be subnormal in fp16.
        neighbours = block.weighted_sum(source, (block.neighbour_degrees() + 1).float().rsqrt())
        return block.rows(h=own * (sampled * neighbours + own * block.targets(source)))

    def transform(self, rows: Rows) -> Rows:
        """`h` (T, inputs) → `h` (T, outputs)."""
        h = self.linear(self.dropout(rows)["h"])
        return rows.having(h=h if self.last else h.relu())
