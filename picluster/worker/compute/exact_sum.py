"""Exact sums: their result does not depend on the order of addition."""

from __future__ import annotations

from torch import Tensor

_QUANTUM_BITS = 46
# Adding this and taking it away again rounds an fp64 number to a multiple of 2^-46.
_ROUNDER = 1.5 * 2.0 ** (52 - _QUANTUM_BITS)


def summand(values: Tensor) -> Tensor:
    """`values` in fp64, rounded to multiples of 2⁻⁴⁶ ≈ 1.4e-14, so that sums of them are exact in any order.

    Exact while single values stay below 32 and sums below 128; beyond, sums are ordinary fp64 sums. Pre-rounding is
    the method of reproducible summation (Demmel and Nguyen, "Fast reproducible floating-point summation", 2013).
    """
    return (values.double() + _ROUNDER).sub_(_ROUNDER)
