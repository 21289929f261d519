"""Dropout whose mask depends on the node, not on the process that computes it."""

from __future__ import annotations

import torch
from torch import Tensor

from picluster.nn.block import Rows
from picluster.randomness import Key, Purpose, draw_words, key, row_words

_LANE_VALUES = 1 << 16
_FUNCTION = -1
"""Number of the drawer where `dropout` is called as a function; modules have numbers from 0."""


class Dropout(torch.nn.Module):
    """Zero each value with `probability` and scale the others up (Srivastava et al., 2014).

    The mask is hashed from (seed, epoch, step, layer, node id, column): 16 bits for each value, so the probability is
    met to within 1/131072. Several modules of a layer, and several calls of one in the same half of a layer, draw
    different masks; one that is called in both halves draws the same mask in both.
    """

    number = 0
    """Number among the Dropout modules of its layer, set by picluster."""

    def __init__(self, probability: float) -> None:
        super().__init__()
        if not 0 <= probability < 1:
            message = f"dropout must lie in [0, 1), not {probability}"
            raise ValueError(message)
        self.kept_values = round((1 - probability) * _LANE_VALUES)

    def forward(self, rows: Rows | Tensor) -> Rows:
        """Drop values of every tensor of `rows` (N, width); outside training the rows pass as they are."""
        if not isinstance(rows, Rows):
            message = f"picluster.nn.Dropout takes rows, not {type(rows).__name__}: h = dropout(h, 0.5, rows)"
            raise TypeError(message)
        if rows.dropout_key is None or self.kept_values == _LANE_VALUES:
            return rows
        drawer, half, call = rows.draws.next(self.number)
        mask_key = rows.dropout_key  # of the first mask of a layer's first module; others have one made from it
        if (drawer, call) != (0, 0):
            mask_key = key(mask_key.word, Purpose.DROPOUT, drawer, half, call)
        nodes, column, dropped = row_words(mask_key, rows.ids), 0, {}
        for name, tensor in rows.tensors.items():
            _check(tensor, rows)
            kept = _kept(mask_key, nodes, column, tensor.shape[1], self.kept_values)
            dropped[name] = tensor * (kept * (_LANE_VALUES / self.kept_values))
            column += tensor.shape[1]
        return rows.having(**dropped)


def dropout(tensor: Tensor, probability: float, rows: Rows) -> Tensor:
    """Zero values and scale the others up, as `torch.nn.functional.dropout` does, but alike under every plan.

    Each call in `transform` or `aggregate` draws a mask of its own; outside training `tensor` passes as it is.

    Args:
        tensor: (N, …), a row for each node of `rows`.
        probability: in [0, 1).
        rows: the rows that `transform` or `aggregate` was given; they tell the nodes of `tensor` and the step.
    """
    _check(tensor, rows)
    drop = Dropout(probability)
    drop.number = _FUNCTION
    flat = tensor.flatten(1) if tensor.dim() > 1 else tensor[:, None]
    dropped: Rows = drop(rows.having(h=flat))
    return dropped["h"].view(tensor.shape)


def _check(tensor: Tensor, rows: Rows) -> None:
    if len(tensor) == len(rows.ids):
        return
    if any(len(each) == len(tensor) for each in rows.tensors.values()):
        message = "the features are rows of all nodes: drop what is aggregated, or put a DenseLayer first"
    else:
        message = f"dropout needs a row for each of the {len(rows.ids)} nodes of `rows`, not {len(tensor)}"
    raise ValueError(message)


def _kept(mask_key: Key, nodes: Tensor, column: int, width: int, kept_values: int) -> Tensor:
    """Mask (N, width) of the values that stay; each hashed word decides on two columns."""
    half = (width + 1) // 2
    words = draw_words(mask_key, nodes[:, None], torch.arange(column, column + half, dtype=torch.int32))
    lanes = torch.cat([words & 0xFFFF, (words >> 16) & 0xFFFF], dim=1)[:, :width]
    return lanes < kept_values
