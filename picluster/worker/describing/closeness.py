"""Whether tensors are equal: to the last bit, or but for rounding."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

_TOLERANCE = 2e-4
"""Of a tensor's largest value: products of other shapes round otherwise."""
_NOISE = 1e-5
"""Of the largest value of all: a sum that ought to be zero is what rounding leaves, such as gradients of attention."""


def same(one: Tensor, other: Tensor) -> bool:
    """To the last bit, also where both are no numbers."""
    return torch.equal(one.nan_to_num(nan=1e30), other.nan_to_num(nan=1e30))


def near(found: Mapping[str, Tensor], expected: Mapping[str, Tensor], around: float) -> bool:
    """Equal but for rounding; `around`: the size of values that may have cancelled out."""
    floor = _NOISE * max([around, *map(largest, expected.values())])
    return all(
        torch.allclose(
            found[name].expand_as(tensor), tensor, rtol=0, atol=floor + _TOLERANCE * largest(tensor), equal_nan=True
        )
        for name, tensor in expected.items()
    )


def largest(tensor: Tensor) -> float:
    """The largest size of a finite value; 0 where there is none."""
    return float(tensor.detach().nan_to_num(posinf=0, neginf=0).abs().max()) if tensor.numel() else 0.0
