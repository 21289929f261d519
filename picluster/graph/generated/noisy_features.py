"""Features from which a node's class is hard to tell without its neighbours.

Class mean + mean of a sub-class + low-rank noise + noise; and a share of the nodes carries another class's features,
which only the neighbours can reveal: with plain means and noise, models without the graph would be right too.
All tables hold small multiples of a power of two: sums are exact in float32, so every machine writes the same bytes.
"""

from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

SUBCLASSES = 4
MISLED_SHARE = 0.27
"""Share of the nodes that carry another class's features."""
CLASS_SPREAD = 0.3125
"""Standard deviation of the class means in each dimension; the noise has 1."""
SUBCLASS_SPREAD = 0.25
LOW_RANK = 16
LOW_RANK_SPREAD = 0.5

_CHUNK_ROWS = 4096
_QUANTILES = 1 << 16
_STEP = 1 / 16
"""Unit of which every table's values are multiples."""


def fill_features(features: NDArray[Any], block_of: NDArray[np.int16], random: np.random.Generator) -> None:
    """Fill `features` (N, F), chunk by chunk, for nodes of the classes `block_of` (N,)."""
    normal = normal_quantiles(_QUANTILES)
    width, classes = features.shape[1], int(block_of.max()) + 1
    shown = block_of.copy()  # the class whose features a node carries
    misled = random.permutation(len(block_of))[: round(MISLED_SHARE * len(block_of))]
    shown[misled] = block_of[random.integers(0, len(block_of), len(misled))]
    centres = _table(normal, (classes, 1, width), CLASS_SPREAD, random)
    centres = centres + _table(normal, (classes, SUBCLASSES, width), SUBCLASS_SPREAD, random)
    directions = _table(normal, (LOW_RANK, width), LOW_RANK_SPREAD, random)
    noise = _rounded(normal)
    for start in range(0, len(features), _CHUNK_ROWS):
        chosen = shown[start : start + _CHUNK_ROWS]
        rows = noise[random.integers(0, _QUANTILES, (len(chosen), width), np.uint16)]
        rows += noise[random.integers(0, _QUANTILES, (len(chosen), LOW_RANK), np.uint16)] @ directions
        rows += centres[chosen, random.integers(0, SUBCLASSES, len(chosen))]
        features[start : start + _CHUNK_ROWS] = rows


def normal_quantiles(count: int) -> NDArray[np.float64]:
    """(count,) Middles of equally probable slices of the standard normal distribution, ascending."""
    inverse = NormalDist().inv_cdf
    return np.array([inverse((position + 0.5) / count) for position in range(count)])


def _table(
    normal: NDArray[np.float64], shape: tuple[int, ...], spread: float, random: np.random.Generator
) -> NDArray[np.float32]:
    table: NDArray[np.float32] = _rounded(normal * spread)[random.integers(0, _QUANTILES, shape, np.uint16)]
    return table


def _rounded(values: NDArray[np.float64]) -> NDArray[np.float32]:
    return (np.rint(values / _STEP) * _STEP).astype(np.float32)
