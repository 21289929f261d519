"""The network in a picture: lines, nodes upon them, and the names or numbers of classes that lie together."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.patheffects import withStroke
from numpy.typing import NDArray

from picluster.controller.drawing.style import BETWEEN_CLASSES, HUES, INK, node_colours
from picluster.wording import printable

MOST_LINES = 60_000
"""Largest number of lines: more are only a darker fog, and slow."""
_POINTS_PER_INCH = 72
_COMPACT = 0.1
"""Share of the picture's width within which half of a class's nodes must lie to have its number written there."""
_FEWEST_NUMBERED = 4
_NAME_LETTERS = 12
_SIZES = 24


class Network(NamedTuple):
    """Contents of the picture: nodes, lines, classes."""

    positions: NDArray[np.float64]
    """(N, 2) Position of each node."""
    lines: NDArray[np.int32]
    """(L, 2) Pairs of nodes that a line joins."""
    labels: NDArray[np.int64]
    """(N,) Class of each node; -1 = unlabelled."""
    degrees: NDArray[np.int64]
    """(N,) Degree of each node in the whole graph."""


def draw_network(axes: Axes, network: Network, colours: list[str], names: Sequence[str] = ()) -> None:
    """Draw the network on `axes`, whose place in the figure sets its sizes. `names` are those of classes, if any."""
    axes.set_axis_off()
    axes.set_aspect("equal")
    low, high = network.positions.min(axis=0), network.positions.max(axis=0)
    middle, half = (low + high) / 2, np.maximum((high - low) / 2 * 1.03, 1.0)
    axes.set_xlim(middle[0] - half[0], middle[0] + half[0])
    axes.set_ylim(middle[1] - half[1], middle[1] + half[1])
    _draw_lines(axes, network, colours)
    _draw_nodes(axes, network, colours)
    if len(colours) > len(HUES):
        _number_classes(axes, network, names)


def _draw_lines(axes: Axes, network: Network, colours: list[str]) -> None:
    """Draw the lines between classes first, in grey; upon them those within one, in its colour."""
    ends = network.labels[network.lines]
    alike = (ends[:, 0] == ends[:, 1]) & (ends[:, 0] >= 0)
    within = network.lines[alike]
    width = float(np.clip(0.04 * _spacing(axes), 0.7, 1.8))
    for order, (lines, inks, most) in enumerate(
        (
            (network.lines[~alike], BETWEEN_CLASSES, 0.45),
            (within, node_colours(network.labels[within[:, 0]], colours), 0.55),
        )
    ):
        segments = network.positions[lines]  # (L, 2, 2)
        drawn = LineCollection(
            list(segments), colors=inks, linewidths=width, alpha=_opacity(axes, segments, width, most), zorder=1 + order
        )
        # As vectors they would make a file of megabytes that is slow to open.
        drawn.set_rasterized(True)
        axes.add_collection(drawn, autolim=False)


def _opacity(axes: Axes, segments: NDArray[np.float64], width: float, most: float) -> float:
    """Opacity at which all lines together cover a like share of the picture, however many there are."""
    if not len(segments):
        return most
    inches = _inches_per_unit(axes) * np.hypot(*(segments[:, 0] - segments[:, 1]).T).sum()
    area = float(np.prod(axes.get_window_extent().size)) / axes.figure.dpi**2
    covered = inches * width / _POINTS_PER_INCH / area
    return float(np.clip(0.3 * most / covered, 0.03, most))


def _draw_nodes(axes: Axes, network: Network, colours: list[str]) -> None:
    """Draw nodes, larger with more neighbours, the largest last."""
    usual = float(np.median(network.degrees)) or 1.0
    smallest, largest = np.clip(0.44 * _spacing(axes), 2.4, 16), np.clip(1.7 * _spacing(axes), 9, 34)
    diameters = np.clip(smallest * (network.degrees / usual) ** 0.4, 0.8 * smallest, largest)
    # In steps, because an SVG holds a shape for each size, and for each node only its place.
    steps = np.geomspace(0.8 * smallest, largest, _SIZES)
    nearest = np.searchsorted(np.sqrt(steps[1:] * steps[:-1]), diameters)
    colours_of_nodes = node_colours(network.labels, colours)
    for step in np.unique(nearest):
        own = nearest == step
        axes.scatter(
            network.positions[own, 0],
            network.positions[own, 1],
            s=steps[step] ** 2,
            c=colours_of_nodes[own].tolist(),
            linewidths=float(np.clip(steps[step] * 0.06, 0.15, 0.8)),
            edgecolors="white",
            zorder=3,
            clip_on=False,
        )


def _number_classes(axes: Axes, network: Network, names: Sequence[str]) -> None:
    """Write a class's name or number where its nodes lie together: many shades are hard to tell apart."""
    width = float(np.ptp(network.positions[:, 0])) or 1.0
    for label in np.unique(network.labels[network.labels >= 0]).tolist():
        own = network.positions[network.labels == label]
        middle = np.median(own, axis=0)
        x, y = middle.tolist()
        if len(own) >= _FEWEST_NUMBERED and np.median(np.hypot(*(own - middle).T)) <= _COMPACT * width:
            halo = [withStroke(linewidth=2.5, foreground="white")]
            word = printable(names[label], _NAME_LETTERS) if label < len(names) else str(label)
            axes.text(x, y, word, ha="center", va="center", size=11, weight="bold", color=INK, path_effects=halo)


def _inches_per_unit(axes: Axes) -> float:
    """Inches for a unit of the positions, with equal scales of x and y."""
    box, view = axes.get_window_extent(), axes.viewLim
    return float(min(box.width / view.width, box.height / view.height)) / float(axes.figure.dpi)


def _spacing(axes: Axes) -> float:
    """Average distance of two nodes, in points."""
    return _inches_per_unit(axes) * _POINTS_PER_INCH
