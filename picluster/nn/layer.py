"""The contract of a layer: `aggregate` neighbours without parameters, `transform` row by row with parameters."""

from __future__ import annotations

import sys
from collections.abc import Collection, Mapping
from typing import Self

import torch
from torch import Tensor

from picluster.nn.block import Block, Rows


class Layer(torch.nn.Module):
    """One graph layer, in two halves so that a model can be cut between them.

    A stage runs `transform` of its layers and then `aggregate` of the next layer, so that only rows of the next
    layer's targets cross the network.
    """

    wide = False
    """True where `aggregate` has parameters: then it runs in the layer's own stage, and full rows cross the cut."""
    made_at: tuple[str, int]
    """File and line that made the layer, for messages."""

    def __new__(cls, *_arguments: object, **_settings: object) -> Self:
        """Note the place that makes the layer."""
        layer = super().__new__(cls)
        maker = sys._getframe(1)  # noqa: SLF001
        vars(layer)["made_at"] = (maker.f_code.co_filename, maker.f_lineno)
        return layer

    @property
    def title(self) -> str:
        """Name of the layer in messages."""
        return type(self).__name__

    def aggregate(self, block: Block, rows: Rows) -> Rows:
        """Combine neighbours: rows of the sources (S, …) → rows of the targets (T, …). Without parameters, or wide."""
        raise NotImplementedError

    def transform(self, rows: Rows) -> Rows:
        """Apply the parameters row by row: (T, …) → (T, …); the last layer's `h` holds the class scores (logits)."""
        raise NotImplementedError

    def weights(self) -> Mapping[str, torch.nn.Parameter]:
        """The parameters, by the names that PyG gives them where it has such a layer."""
        return {name: weight for name, weight in self.named_parameters() if weight.requires_grad}

    def fixed_values(self) -> Mapping[str, Tensor]:
        """Values that are not trained but belong in the model's file, such as persistent buffers; by PyG's names."""
        return state_beside(self, self.weights())

    def decayed(self) -> Collection[str]:
        """Names of the weights on which weight decay acts; all of them unless a layer says otherwise."""
        return self.weights().keys()


class RowLayer(Layer):
    """A layer without neighbours: only `transform`. It belongs to the stage of the graph layer beside it."""


def state_beside(module: torch.nn.Module, weights: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
    """Entries of the state of `module` beside `weights`: buffers, frozen parameters, further names of tied weights.

    Weights that go by a name of their own are not repeated.
    """
    every = module.state_dict(keep_vars=True).items()
    state = {name: value for name, value in every if isinstance(value, torch.Tensor)}
    renamed = {id(weight) for name, weight in weights.items() if name not in state}
    return {name: value for name, value in state.items() if name not in weights and id(value) not in renamed}
