"""GCNII: deep graph convolutions (Chen, Wei, Huang, Ding and Li, ICML 2020, equation 5)."""

from __future__ import annotations

from math import log

import torch
from torch.nn import Parameter

from picluster.nn.block import Block
from picluster.nn.dropout import Dropout
from picluster.nn.gcn import normalised_sum
from picluster.nn.layer import Layer
from picluster.nn.rows import Rows


class Gcn2Layer(Layer):
    """h' = ReLU(((1 - beta) I + beta W) · ((1 - alpha) D^-½ (A + I) D^-½ h + alpha h0)), beta = ln(theta / number + 1).

    The same parameter as PyG's `GCN2Conv`. `h0`, the rows before the first of these layers, is carried along; the last
    one has mixed it in when its rows cross a cut, and carries it no further. Rows are dropped before they are added up.
    """

    def __init__(
        self,
        width: int,
        number: int,
        *,
        alpha: float = 0.1,
        theta: float = 0.5,
        dropout: float = 0.0,
        last: bool = False,
    ) -> None:
        """`number`: place among these layers, from 1; `last` of them."""
        super().__init__()
        if not 0 <= alpha <= 1 or theta <= 0:
            message = f"alpha must lie in [0, 1] and theta above 0, not {alpha} and {theta}"
            raise ValueError(message)
        self.dropout = Dropout(dropout)
        self.weight1 = Parameter(torch.empty(width, width))
        torch.nn.init.xavier_uniform_(self.weight1)
        self.alpha, self.beta, self.last = alpha, log(theta / number + 1), last

    def aggregate(self, block: Block, rows: Rows) -> Rows:
        """`h` and `h0` (S, width) → the same (T, width), mixed."""
        first = rows["h0"] if "h0" in rows.tensors else rows["h"]
        h0 = block.targets(first)
        h = self.dropout(rows.having(h=rows["h"]))["h"]
        mixed = (1 - self.alpha) * normalised_sum(block, h) + self.alpha * h0
        return block.rows(h=mixed) if self.last else block.rows(h=mixed, h0=h0)

    def transform(self, rows: Rows) -> Rows:
        """`h` (T, width) → `h` (T, width)."""
        h = torch.addmm(rows["h"], rows["h"], self.weight1, beta=1 - self.beta, alpha=self.beta)
        return rows.having(**{**rows.tensors, "h": h.relu()})
