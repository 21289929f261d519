"""Packing of laid-out components: the largest by itself, the others in rows below it."""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

_MARGIN = 1.6
"""Space between two components, where a node has about one square of side 1."""
_WIDTH_TO_HEIGHT = 1.1
_GIANT = 0.5
"""Share of the nodes from which on a component has the rows' width to itself."""


def packed(parts: Sequence[NDArray[np.float64]]) -> list[NDArray[np.float64]]:
    """Parts, (n, 2) each, shifted so that none overlaps another, in the order in which they came."""
    order = sorted(range(len(parts)), key=lambda place: (-len(parts[place]), place))
    sizes = np.array([np.ptp(parts[place], axis=0) + _MARGIN for place in order]).reshape(-1, 2)
    width = float(max(np.sqrt(sizes.prod(axis=1).sum() * _WIDTH_TO_HEIGHT), *sizes[:, 0], 0.0))
    if parts and len(parts[order[0]]) >= _GIANT * sum(map(len, parts)):
        width = float(sizes[0, 0])
    done = list(parts)
    for place, corner in zip(order, _corners(sizes, width), strict=True):
        low = parts[place].min(axis=0)
        done[place] = parts[place] - low + corner
    return done


def _corners(sizes: NDArray[np.float64], width: float) -> Iterator[NDArray[np.float64]]:
    """Yield the lower left corner of each box, in rows from the top down that are centred."""
    top, start = 0.0, 0
    while start < len(sizes):
        ends = np.cumsum(sizes[start:, 0])
        count = max(1, int(np.searchsorted(ends, width * (1 + 1e-9), side="right")))
        row = sizes[start : start + count]
        height = float(row[:, 1].max())
        left = (width - float(row[:, 0].sum())) / 2
        for box in row:
            yield np.array([left, top - (height + box[1]) / 2])
            left += float(box[0])
        top -= height
        start += count
