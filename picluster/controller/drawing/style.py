"""Look of all pictures: their types and fonts, and colours of classes that people with colour blindness can tell apart.

Ten hues (from the palettes of Okabe and Ito, and of Paul Tol) that are at least 17 apart in CIELAB, also as seen with
protanopia and deuteranopia (Machado, Oliveira and Fernandes, 2009). Beyond ten classes they come in shades.
"""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from picluster.controller.record.record_files import check_output

DOTS_PER_INCH = 100
SETTINGS: Any = {
    "font.family": "DejaVu Sans",
    "font.size": 11,
    "axes.linewidth": 0.8,
    "svg.hashsalt": "picluster",  # otherwise the names of an SVG's parts would differ each time
    "text.parse_math": False,  # a class's name may contain dollars
}
NO_DATES: dict[str, dict[str, None]] = {".png": {}, ".svg": {"Date": None}, ".pdf": {"CreationDate": None}}

HUES = ("#0077BB", "#D55E00", "#66CCEE", "#117733", "#DDCC77", "#882255", "#332288", "#CC79A7", "#E69F00", "#009E73")
UNLABELLED = "#B4B4B4"
OTHERS = "#6B7280"
"""Colour of the classes that have none of their own."""
INK = "#1F2933"
FAINT_INK = "#6B7280"
BETWEEN_CLASSES = "#9AA5B1"

_SHADES = ((255, 0), (255, 45), (0, 40), (255, 68), (0, 65))
"""Mixtures with white (255) or black (0), and their shares in percent."""
MOST_COLOURS = len(HUES) * len(_SHADES)


def check_picture(file: Path, option: str = "--output") -> None:
    """Raise InputError where no picture can be written to that file, which `option` names on the command line."""
    check_output(file, option, tuple(NO_DATES), "picture that can be drawn")


@contextmanager
def picture_settings() -> Iterator[None]:
    """Draw with these settings, whatever the person's own for plots are; letters that the font lacks are boxes."""
    import matplotlib as mpl

    with mpl.rc_context(), warnings.catch_warnings():
        mpl.rcdefaults()
        mpl.rcParams.update(SETTINGS)
        warnings.filterwarnings("ignore", message="Glyph")
        yield


def class_colours(sizes: NDArray[np.int64]) -> list[str]:
    """Colour of each class, as `#RRGGBB`; `sizes` (classes,) are their numbers of nodes.

    Where there are more classes than colours, the smaller ones share one.
    """
    largest = np.sort(np.argsort(-sizes, kind="stable")[:MOST_COLOURS])
    colours = [OTHERS] * len(sizes)
    for place, label in enumerate(largest.tolist()):
        colours[label] = mixed(HUES[place % len(HUES)], *_SHADES[place // len(HUES)])
    return colours


def node_colours(labels: NDArray[Any], colours: list[str]) -> NDArray[np.str_]:
    """(N,) The colour of each node; labels of -1 are unlabelled, the last of the table."""
    table: NDArray[np.str_] = np.array([*colours, UNLABELLED])
    return np.asarray(table[labels])


def mixed(colour: str, towards: int, percent: int) -> str:
    """Mix a colour with white (255) or black (0), of which it gets that share."""
    parts = (int(colour[at : at + 2], 16) for at in (1, 3, 5))
    return "#" + "".join(f"{round(((100 - percent) * part + percent * towards) / 100):02X}" for part in parts)
