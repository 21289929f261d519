"""SVG within a page: in the page's own inks, for light and dark, and with nothing that would leave the page."""

from __future__ import annotations

import re
from io import StringIO
from typing import TYPE_CHECKING

import matplotlib as mpl

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_NAMES = ("ink", "faint", "grid", "paper", "compute", "wait", "send", "alarm")
INK, FAINT, GRID, PAPER, COMPUTE, WAIT, SEND, ALARM = _STAND_INS = tuple(f"#0{n}0{n}0{n}" for n in range(1, 9))
"""Stand-ins of the page's inks, which its style sheet knows by the names above."""
WIDTH, SIZE = 5.0, 9.5
"""Inches, of 72 units each, and units of letters: on a phone a unit is about a pixel."""
_LONG = re.compile(r"(\d\.\d\d)\d+")
"""A coordinate with more digits than can be seen, which would be half of a page."""
LETTERS = 20
"""Most letters of a node's name."""


def calm(axes: Axes) -> None:
    """Leave the lower edge alone of a frame, and the figures beside the axes faint."""
    axes.patch.set_visible(False)
    axes.spines[:].set_visible(False)
    axes.spines["bottom"].set(visible=True, color=GRID)
    axes.tick_params(colors=FAINT, labelsize=SIZE - 1, length=2)
    axes.set_axisbelow(True)


def as_svg(figure: Figure) -> str:
    """The figure as an element of a page: without prologue, names of parts and size, and in the page's inks."""
    text = StringIO()
    figure.patch.set_visible(False)
    with mpl.rc_context({"svg.fonttype": "none"}):
        figure.savefig(text, format="svg", metadata={"Date": None})
    svg = text.getvalue()
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg[svg.index("<svg") :], flags=re.DOTALL)
    box = re.search(r'viewBox="[^"]*"', svg)
    svg = re.sub(r"<svg[^>]*>", f"<svg {box[0] if box else ''} aria-hidden='true'>", svg, count=1)
    svg = re.sub(r'<g id="[^"]*">', "<g>", svg).replace("xlink:href", "href")
    svg = re.sub(r' d="[^"]*"', lambda path: _LONG.sub(r"\1", path[0]), svg)
    for ink, name in zip(_STAND_INS, _NAMES, strict=True):
        svg = svg.replace(ink, f"var(--{name})")
    return svg
