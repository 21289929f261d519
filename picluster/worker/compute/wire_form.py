"""Form in which rows and gradients pass from layer to layer: of the spec, and the same whether they cross or not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from picluster.randomness import Key, draw_words, row_words
from picluster.rounding import EXPONENT_COLUMNS, SCALE_BYTES, from_fp16, from_int8, to_fp16, to_int8

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from picluster.nn import Rows
    from picluster.schema.plan import Cut
    from picluster.schema.spec import Spec

_DRAW_VALUES = 1 << 16


@dataclass(frozen=True)
class Dither:
    """Random numbers by which gradients are rounded to int8, hashed from (key, node, column): the same everywhere."""

    key: Key
    ids: Tensor
    """(N,) int32: the nodes of the rows."""

    def of_columns(self, first: int, width: int) -> NDArray[np.float32]:
        """(N, width) Multiples of 2⁻¹⁶ in [0, 1) for the columns from `first` on; each word serves two of them."""
        half = (width + 1) // 2
        nodes = row_words(self.key, self.ids.numpy())
        words = draw_words(self.key, nodes[:, None], np.arange(first, first + half, dtype=np.int32))
        lanes = np.concatenate([words & 0xFFFF, (words >> 16) & 0xFFFF], axis=1)[:, :width]
        numbers: NDArray[np.float32] = lanes.astype(np.float32)
        numbers /= np.float32(_DRAW_VALUES)
        return numbers


class WireForm:
    """The spec's precision of the wire, and the form of rows at the boundary before each layer.

    Rows are rounded to the nearest. Gradients too, in fp16; in int8, where many would become 0, at random and right on
    average.
    """

    def __init__(self, spec: Spec) -> None:
        self._spec = spec
        self._in_int8 = spec.wire == "int8"
        self._further_columns = SCALE_BYTES if self._in_int8 else EXPONENT_COLUMNS

    def packs(self, layer: int, form: Cut | None = None) -> bool:
        """Tell whether rows of this form (None: whichever the spec has) are rounded at the boundary before a layer."""
        own = self._spec.form(layer)
        return own is not None and form in (None, own)

    def sent(
        self, tensors: Sequence[Tensor], layer: int, form: Cut | None = None, dither: Dither | None = None
    ) -> list[Tensor]:
        """Give the tensors (n, width) as they cross the boundary before a layer; `dither` is for gradients."""
        if not self.packs(layer, form):
            return list(tensors)
        firsts = np.cumsum([0, *(tensor.shape[1] for tensor in tensors)]).tolist()
        return [self._packed(tensor, dither, first) for tensor, first in zip(tensors, firsts, strict=False)]

    def taken(self, tensors: Sequence[Tensor], layer: int, form: Cut | None = None) -> list[Tensor]:
        """Give the tensors that `sent` made ready, in fp32 again."""
        return [self._unpacked(tensor) for tensor in tensors] if self.packs(layer, form) else list(tensors)

    def passed(self, rows: Rows, layer: int, form: Cut, dither: Dither | None = None) -> Rows:
        """Give rows as if they had crossed the boundary before a layer; so do their gradients, on the way back."""
        if not self.packs(layer, form):
            return rows
        passed, first = {}, 0
        for name, tensor in rows.tensors.items():
            passed[name] = _Passage.apply(tensor, self, dither, first)  # type: ignore[no-untyped-call]
            first += tensor.shape[1]
        return rows.having(**passed)

    def there_and_back(self, tensor: Tensor, dither: Dither | None, first: int) -> Tensor:
        """Round one tensor, whose columns are numbered from `first`."""
        return self._unpacked(self._packed(tensor, dither, first))

    def _packed(self, tensor: Tensor, dither: Dither | None, first: int) -> Tensor:
        rows = tensor.detach().numpy()
        if not self._in_int8:
            return torch.from_numpy(to_fp16(rows))
        numbers = None if dither is None else dither.of_columns(first, tensor.shape[1])
        return torch.from_numpy(to_int8(rows, numbers))

    def _unpacked(self, packed: Tensor) -> Tensor:
        # Memory of torch's own: BLAS may add in another order where its operands are aligned otherwise.
        rows = torch.empty(packed.shape[0], packed.shape[1] - self._further_columns)
        read = from_int8 if self._in_int8 else from_fp16
        read(packed.numpy(), out=rows.numpy())
        return rows


class _Passage(torch.autograd.Function):
    """Rounds a tensor, and its gradient on the way back."""

    @staticmethod
    def forward(ctx: Any, tensor: Tensor, form: WireForm, dither: Dither | None, first: int) -> Tensor:
        ctx.set_materialize_grads(False)
        ctx.form, ctx.dither, ctx.first = form, dither, first
        return form.there_and_back(tensor, None, first)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor | None) -> tuple[Tensor | None, None, None, None]:
        (gradient,) = gradients
        passed = None if gradient is None else ctx.form.there_and_back(gradient, ctx.dither, ctx.first)
        return passed, None, None, None
