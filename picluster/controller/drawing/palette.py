"""Colours of classes that people with colour blindness can tell apart, as many as possible.

Ten hues (from the palettes of Okabe and Ito, and of Paul Tol) that are at least 17 apart in CIELAB, also as seen with
protanopia and deuteranopia (Machado, Oliveira and Fernandes, 2009). Beyond ten classes they come in shades.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

HUES = ("#0077BB", "#D55E00", "#66CCEE", "#117733", "#DDCC77", "#882255", "#332288", "#CC79A7", "#E69F00", "#009E73")
UNLABELLED = "#B4B4B4"
OTHERS = "#6B7280"
"""Colour of the classes that have none of their own."""
INK = "#1F2933"
FAINT_INK = "#6B7280"
BETWEEN_CLASSES = "#9AA5B1"

_SHADES = ((255, 0.0), (255, 0.45), (0, 0.4), (255, 0.68), (0, 0.65))
"""Mixtures with white (255) or black (0), and their shares."""
MOST_COLOURS = len(HUES) * len(_SHADES)


def class_colours(sizes: NDArray[np.int64]) -> list[str]:
    """Colour of each class, as `#RRGGBB`; `sizes` (classes,) are their numbers of nodes.

    Where there are more classes than colours, the smaller ones share one.
    """
    largest = np.sort(np.argsort(-sizes, kind="stable")[:MOST_COLOURS])
    colours = [OTHERS] * len(sizes)
    for place, label in enumerate(largest.tolist()):
        colours[label] = _colour(place)
    return colours


def node_colours(labels: NDArray[Any], colours: list[str]) -> NDArray[np.str_]:
    """(N,) The colour of each node; labels of -1 are unlabelled, the last of the table."""
    table: NDArray[np.str_] = np.array([*colours, UNLABELLED])
    return np.asarray(table[labels])


def _colour(place: int) -> str:
    towards, share = _SHADES[place // len(HUES)]
    hue = HUES[place % len(HUES)]
    parts = (int(hue[at : at + 2], 16) for at in (1, 3, 5))
    return "#" + "".join(f"{round(part + (towards - part) * share):02X}" for part in parts)
