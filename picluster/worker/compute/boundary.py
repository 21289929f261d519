"""The form of what passes where a model may be cut, whether it crosses the network there or not.

A wire delivers contiguous rows and gradients, one for each name. Within a process a gradient may be a view with other
strides, or be added up in another order where two names stand for one tensor; both would show in the last bits.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from torch import Tensor

    from picluster.nn import Rows


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
    """The same rows, in the form that a wire gives them."""
    passed: dict[str, Tensor] = {
        name: _Boundary.apply(tensor) if tensor.requires_grad else tensor.contiguous()  # type: ignore[no-untyped-call]
        for name, tensor in rows.tensors.items()
    }
    return rows.having(**passed)
