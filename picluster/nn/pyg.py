"""A convolution of PyG as a layer."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from picluster.nn.block import Block, Rows
from picluster.nn.convolving import BlockForm, convolve
from picluster.nn.dropout import Dropout
from picluster.nn.layer import Layer, state_beside
from picluster.nn.pyg_trial import UnfitError, block_form

_EDGES_AT_ONCE = 1 << 16
"""Number of edges at a time outside training, when all neighbours are looked at: PyG makes a row for each edge."""


class PygLayer(Layer):
    """h' = activation(convolution(dropout(h), edges)); for convolutions of one hop, with parameters in their sums.

    It is wide, unlike picluster's own layers: rows of all sources cross the cut before it, not only the targets'. The
    convolution sees a bipartite block where it takes one, else the square graph of the block's sources. It is tried out
    first, and refused where it would give other rows on a block than in the whole graph.
    """

    wide = True

    def __init__(
        self,
        convolution: torch.nn.Module,
        *,
        dropout: float = 0.0,
        activation: Callable[[Tensor], Tensor] = torch.relu,
        last: bool = False,
    ) -> None:
        """`last`: no activation follows.

        Raises:
            UnfitError: the convolution has dropout of its own, or does not compute in fp32.
        """
        super().__init__()
        name, own_dropout = type(convolution).__name__, getattr(convolution, "dropout", 0)
        if isinstance(own_dropout, float | int) and own_dropout:
            raise UnfitError(f"{name} would drop other values under every plan", fix="PygLayer(…, dropout=…)")
        if getattr(convolution, "flow", "source_to_target") != "source_to_target":
            fix = "leave out flow=, and import the edges with --directed the other way round"
            raise UnfitError(f"{name} sends from targets to sources, which a block does not show", fix=fix)
        if any(weight.dtype != torch.float32 for weight in convolution.parameters() if weight.requires_grad):
            fix = "leave out .double(), .half() and dtype="
            raise UnfitError(f"{name} has weights of another type than float32", fix=fix)
        self.dropout = Dropout(dropout)
        self.convolution = convolution
        self.activation, self.last = activation, last
        self._form: BlockForm | None = None

    @property
    def title(self) -> str:
        """Name of the layer in messages, with the convolution's."""
        return f"PygLayer({type(self.convolution).__name__})"

    def aggregate(self, block: Block, rows: Rows) -> Rows:
        """`h` (S, inputs) → `h` (T, outputs). UnfitError where the convolution looks at more than a block shows."""
        source = rows["h"]
        if self._form is None:
            self._form = block_form(self.convolution, source.shape[1])
        if block.source_ids is not None:
            dropped = self.dropout(rows.having(h=source))["h"]
            return block.rows(h=convolve(self.convolution, self._form, block, dropped))
        at_once = len(block.neighbours) if torch.is_grad_enabled() else _EDGES_AT_ONCE
        parts = []
        for piece in block.pieces(at_once):
            local = piece.gathered()
            assert local.source_ids is not None
            h = source.index_select(0, local.source_ids).float()
            dropped = self.dropout(Rows({"h": h}, local.source_ids, rows.dropout_key))["h"]
            parts.append(convolve(self.convolution, self._form, local, dropped))
        return block.rows(h=torch.cat(parts))

    def transform(self, rows: Rows) -> Rows:
        """`h` (T, outputs) → activation(`h`)."""
        return rows if self.last else rows.having(h=self.activation(rows["h"]))

    def weights(self) -> Mapping[str, torch.nn.Parameter]:
        """Trained parameters of the convolution, by its own names."""
        return {name: weight for name, weight in self.convolution.named_parameters() if weight.requires_grad}

    def fixed_values(self) -> Mapping[str, Tensor]:
        """Further entries of the convolution's `state_dict`."""
        return state_beside(self.convolution, self.weights())
