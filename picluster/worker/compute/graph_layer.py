"""A model as the runtime sees it: graph layers, each with the layers without neighbours that belong to it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from picluster.errors import InputError
from picluster.nn import Block, Dropout, Layer, RowLayer, Rows
from picluster.nn.block import Draws
from picluster.randomness import Key

DropoutKeys = Callable[[int], Key | None]
"""Function from a layer's place in the model file's list, from 1, to the key of its dropout."""


@dataclass(frozen=True)
class Part:
    """One entry of the model file's list."""

    place: int
    """Place in the list, from 1."""
    name: str
    """Name in PyG's models: `convs.0` for the first graph layer, `lins.0` for the first one without neighbours."""
    layer: Layer

    def weights(self) -> dict[str, torch.nn.Parameter]:
        """Trained values by full name, such as `convs.0.lin.weight`."""
        return {f"{self.name}.{name}": parameter for name, parameter in self.layer.weights().items()}

    def fixed_values(self) -> dict[str, Tensor]:
        """Values that the model's file holds beside the weights, by full name."""
        return {f"{self.name}.{name}": value for name, value in self.layer.fixed_values().items()}

    def aggregate(self, block: Block, rows: Rows, key: Key | None) -> Rows:
        """Run the layer's `aggregate`, in training where there is a key for its dropout."""
        self._set_training(key)
        return self.layer.aggregate(block, replace(rows, dropout_key=key, draws=Draws(half=1)))

    def transform(self, rows: Rows, key: Key | None) -> Rows:
        """Run the layer's `transform`, in training where there is a key for its dropout."""
        self._set_training(key)
        return self.layer.transform(replace(rows, dropout_key=key, draws=Draws(half=0)))

    def _set_training(self, key: Key | None) -> None:
        if self.layer.training != (key is not None):
            self.layer.train(key is not None)


@dataclass(frozen=True)
class GraphLayer:
    """A graph layer, and the layers without neighbours that belong to it."""

    number: int
    """Number among the graph layers, from 1."""
    before: tuple[Part, ...]
    """Layers that work on the features of all sources; only the first graph layer has them."""
    main: Part
    after: tuple[Part, ...]

    @property
    def parts(self) -> tuple[Part, ...]:
        """All parts, in the order of the list."""
        return (*self.before, self.main, *self.after)

    def weights(self) -> dict[str, torch.nn.Parameter]:
        """All trained values, by full name."""
        return {name: weight for part in self.parts for name, weight in part.weights().items()}

    def project(self, features: Tensor, ids: Tensor, keys: DropoutKeys) -> Rows:
        """Pass `features` (N, width) of the nodes `ids` through the layers before the graph layer."""
        return _through(self.before, Rows({"h": features.float()}, ids), keys)

    def aggregate(self, block: Block, rows: Rows, keys: DropoutKeys) -> Rows:
        """Rows of the source → rows of the targets. The first layer's source is the features of all nodes, as `h`."""
        if self.before:
            block = block.gathered()
            assert block.source_ids is not None
            rows = self.project(rows["h"].index_select(0, block.source_ids), block.source_ids, keys)
        return boundary(self.main.aggregate(block, rows, keys(self.main.place)))

    def transform(self, rows: Rows, keys: DropoutKeys) -> Rows:
        """Row by row: the graph layer's own `transform`, then the layers after it."""
        return boundary(_through((self.main, *self.after), rows, keys))


class _Boundary(torch.autograd.Function):
    """Identity, contiguous both ways."""

    @staticmethod
    def forward(ctx: Any, tensor: Tensor) -> Tensor:
        ctx.set_materialize_grads(False)
        return tensor.view_as(tensor) if tensor.is_contiguous() else tensor.contiguous()

    @staticmethod
    def backward(_ctx: Any, *gradients: Tensor | None) -> Tensor | None:
        (gradient,) = gradients
        return None if gradient is None else gradient.contiguous()


def boundary(rows: Rows) -> Rows:
    """Return rows in the form in which they pass where a model may be cut, whether they cross the network or not.

    A wire delivers contiguous rows and gradients, one for each name. Within a process a gradient may be a view with
    other strides, or be added up in another order where two names stand for one tensor; both would show in the last
    bits.
    """
    passed: dict[str, Tensor] = {
        name: _Boundary.apply(tensor) if tensor.requires_grad else tensor.contiguous()  # type: ignore[no-untyped-call]
        for name, tensor in rows.tensors.items()
    }
    return rows.having(**passed)


class _Given(torch.autograd.Function):
    """A number whose way back is given."""

    @staticmethod
    def forward(ctx: Any, gradients: Sequence[Tensor], *outputs: Tensor) -> Tensor:
        for gradient, output in zip(gradients, outputs, strict=True):
            assert gradient.shape == output.shape
        ctx.gradients = gradients
        return torch.zeros(())

    @staticmethod
    def backward(ctx: Any, *_: Tensor) -> tuple[Tensor | None, ...]:
        return None, *ctx.gradients


def given(pairs: Sequence[tuple[Tensor, Tensor]]) -> Tensor:
    """Return a number whose way back begins with these gradients of these outputs.

    Where torch is handed the gradients themselves, it imports sympy to compare their shapes: 34 MiB of memory, and
    seconds on a Pi.
    """
    outputs, gradients = zip(*pairs, strict=True)
    number: Tensor = _Given.apply(gradients, *outputs)  # type: ignore[no-untyped-call]
    return number


def _through(parts: Sequence[Part], rows: Rows, keys: DropoutKeys) -> Rows:
    for part in parts:
        rows = part.transform(rows, keys(part.place))
    return rows


def no_dropout(_place: int) -> None:
    """Give no key, as outside training."""


def arrange(layers: Sequence[Layer]) -> list[GraphLayer]:
    """The graph layers of a model file's list, each with the layers without neighbours that belong to it."""
    before: list[Part] = []
    found: list[tuple[Part, list[Part]]] = []
    dense = 0
    for place, layer in enumerate(layers, start=1):
        dropouts = [module for module in layer.modules() if isinstance(module, Dropout)]
        for number, dropout in enumerate(dropouts):
            dropout.number = number  # so that each draws masks of its own
        if isinstance(layer, RowLayer):
            (found[-1][1] if found else before).append(Part(place, f"lins.{dense}", layer))
            dense += 1
        else:
            found.append((Part(place, f"convs.{len(found)}", layer), []))
    if not found:
        raise InputError("a model needs at least one layer that looks at neighbours", fix="see models/gcnii.py")
    return [
        GraphLayer(number, tuple(before) if number == 1 else (), main, tuple(after))
        for number, (main, after) in enumerate(found, start=1)
    ]
