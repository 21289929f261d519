"""Rows: what flows between layers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

    from picluster.randomness import Key


@dataclass(frozen=True)
class Draws:
    """Numbers the masks that one call of a layer draws, so that no two are alike."""

    half: int = 0
    """0 in `transform`, 1 in `aggregate`."""
    _taken: Counter[int] = field(default_factory=Counter)

    def next(self, drawer: int) -> tuple[int, int, int]:
        """Drawer, half and number of the next mask; `drawer`: who draws, each counted by itself."""
        self._taken[drawer] += 1
        return drawer, self.half, self._taken[drawer] - 1


@dataclass(frozen=True)
class Rows:
    """Named tensors with one row for each of the same N nodes."""

    tensors: Mapping[str, Tensor]
    """Each (N, width), fp32; at the first layer `h` is the whole feature table in its own type."""
    ids: Tensor
    """(N,) int32: the nodes' numbers in the whole graph."""
    dropout_key: Key | None = None
    """Of this step and layer; None when nothing may be dropped."""
    draws: Draws = field(default_factory=Draws, compare=False, repr=False)
    """Masks drawn so far in this call of the layer."""

    def __getitem__(self, name: str) -> Tensor:
        return self.tensors[name]

    def having(self, /, **tensors: Tensor) -> Rows:
        """The same nodes with other tensors."""
        return replace(self, tensors=tensors)

    def copy(self) -> Rows:
        """The same values in tensors of their own."""
        return self.having(**{name: tensor.clone() for name, tensor in self.tensors.items()})

    def widths(self) -> dict[str, int]:
        """Width of each tensor."""
        return {name: tensor.shape[1] for name, tensor in self.tensors.items()}
