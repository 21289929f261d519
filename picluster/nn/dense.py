"""A layer without neighbours, before or after the graph layers."""

from __future__ import annotations

from collections.abc import Mapping

from torch.nn import Linear, Parameter
from torch.nn.init import xavier_uniform_, zeros_

from picluster.nn.dropout import Dropout
from picluster.nn.layer import RowLayer
from picluster.nn.rows import Rows


def glorot_linear(inputs: int, outputs: int) -> Linear:
    """A linear map that keeps the variance of what passes (Glorot and Bengio, AISTATS 2010, equation 16); b = 0.

    Over many sparse inputs torch's own beginning is so small that L1 regularisation lets half of the outputs die.
    """
    linear = Linear(inputs, outputs)
    xavier_uniform_(linear.weight)
    zeros_(linear.bias)
    return linear


class DenseLayer(RowLayer):
    """h' = W · dropout(h) + b, then ReLU unless it is the last; parameters as in torch's `Linear`."""

    def __init__(
        self, inputs: int, outputs: int, *, dropout: float = 0.0, last: bool = False, glorot: bool = False
    ) -> None:
        """`glorot`: begin as `glorot_linear` does, not as torch's `Linear`."""
        super().__init__()
        self.dropout = Dropout(dropout)
        self.linear = glorot_linear(inputs, outputs) if glorot else Linear(inputs, outputs)
        self.last = last

    def transform(self, rows: Rows) -> Rows:
        """`h` (N, inputs) → `h` (N, outputs); what else is carried stays as it is."""
        h = self.linear(self.dropout(rows.having(h=rows["h"]))["h"])
        return rows.having(**{**rows.tensors, "h": h if self.last else h.relu()})

    def weights(self) -> Mapping[str, Parameter]:
        """`weight` and `bias`."""
        return dict(self.linear.named_parameters())
