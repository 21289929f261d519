"""The whole picture, as PNG 1600 by 1000 pixels: the network, and its figures to the right."""

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from picluster.controller.drawing.charts import draw_classes, draw_degrees, draw_homophily, draw_splits, write_counts
from picluster.controller.drawing.network import Network, draw_network
from picluster.controller.drawing.palette import FAINT_INK, INK, class_colours
from picluster.controller.drawing.style import DOTS_PER_INCH, NO_DATES, our_settings
from picluster.schema.datasets import DatasetDetails

_INCHES = (16, 10)
_NETWORK_PLACE = (0.015, 0.02, 0.655, 0.865)
_LEFT, _WIDTH = 0.705, 0.275
"""Left end and width of the figures, as shares of the picture; so are the places below, as (bottom, height)."""
_COUNTS, _HOMOPHILY, _SPLITS = (0.73, 0.21), (0.662, 0.016), (0.583, 0.016)
_CLASSES, _DEGREES = (0.285, 0.235), (0.055, 0.155)


def draw_picture(
    file: Path, title: str, subtitle: str, network: Network, graph: DatasetDetails, degrees: NDArray[np.int64]
) -> None:
    """Write `file`, whose suffix is .png, .svg or .pdf. The same arguments give the same bytes.

    `degrees` (all nodes,) and `graph` are the whole graph's, of which `network` may be a part.
    """
    with our_settings():
        figure = Figure(figsize=_INCHES, dpi=DOTS_PER_INCH, facecolor="white")
        figure.text(0.025, 0.955, title, size=22, weight="bold", color=INK, va="center")
        figure.text(0.025, 0.917, subtitle, size=12, color=FAINT_INK, va="center")
        colours = class_colours(np.array(graph.labels, np.int64))
        draw_network(figure.add_axes(_NETWORK_PLACE), network, colours, graph.class_names)
        places = [
            figure.add_axes((_LEFT, bottom, _WIDTH, height))
            for bottom, height in (_COUNTS, _HOMOPHILY, _SPLITS, _CLASSES, _DEGREES)
        ]
        write_counts(places[0], graph)
        draw_homophily(places[1], graph)
        draw_splits(places[2], graph)
        draw_classes(places[3], graph, colours)
        draw_degrees(places[4], degrees)
        figure.savefig(file, format=file.suffix.removeprefix("."), metadata=NO_DATES[file.suffix])
