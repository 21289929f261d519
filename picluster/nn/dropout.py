"""Dropout whose mask depends on the node, not on the process that computes it."""

from __future__ import annotations

import torch
from torch import Tensor

from picluster.nn.rows import Rows
from picluster.randomness import Key, draw_words, row_words

_LANE_VALUES = 1 << 16


class Dropout(torch.nn.Module):
    """Zero each value with `probability` and scale the others up (Srivastava et al., 2014).

    The mask is hashed from (seed, epoch, step, layer, node id, column): 16 bits for each value, so the probability is
    met to within 1/131072. Use one for all tensors of a layer: two of them would draw the same.
    """

    def __init__(self, probability: float) -> None:
        super().__init__()
        if not 0 <= probability < 1:
            message = f"dropout must lie in [0, 1), not {probability}"
            raise ValueError(message)
        self.kept_values = round((1 - probability) * _LANE_VALUES)

    def forward(self, rows: Rows) -> Rows:
        """Drop from every tensor of `rows`; outside training the rows pass as they are."""
        if rows.dropout_key is None or self.kept_values == _LANE_VALUES:
            return rows
        key, column, dropped = rows.dropout_key, 0, {}
        nodes = row_words(key, rows.ids)
        for name, tensor in rows.tensors.items():
            if len(tensor) != len(rows.ids):
                message = "the features are rows of all nodes: drop what is aggregated, or put a DenseLayer first"
                raise ValueError(message)
            width = tensor.shape[1]
            scale = _LANE_VALUES / self.kept_values
            dropped[name] = tensor * (self._kept(key, nodes, column, width) * scale)
            column += width
        return rows.having(**dropped)

    def _kept(self, key: Key, nodes: Tensor, column: int, width: int) -> Tensor:
        """Mask (N, width) of the values that stay; each hashed word serves two columns."""
        half = (width + 1) // 2
        words = draw_words(key, nodes[:, None], torch.arange(column, column + half, dtype=torch.int32))
        lanes = torch.cat([words & 0xFFFF, (words >> 16) & 0xFFFF], dim=1)[:, :width]
        return lanes < self.kept_values
