"""The network in a picture: a part of the graph to look at, its lines, its nodes, names or numbers of its classes.

The part is drawn by a forest fire: a few neighbours of a node catch fire, then a few of theirs. It keeps degrees and
communities better than nodes or edges drawn by themselves (Leskovec and Faloutsos, "Sampling from Large Graphs", KDD
2006).
"""

from collections import deque
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.patheffects import withStroke
from numpy.typing import NDArray

from picluster.controller.drawing.style import BETWEEN_CLASSES, HUES, INK, node_colours
from picluster.graph.packing import PackedIds
from picluster.randomness import Purpose, key
from picluster.wording import printable

MOST_LINES = 60_000
"""Largest number of lines: more are only a darker fog, and slow."""
_POINTS_PER_INCH = 72
_COMPACT = 0.1
"""Share of the picture's width within which half of a class's nodes must lie to have its number written there."""
_FEWEST_NUMBERED = 4
_NAME_LETTERS = 12
_SIZES = 24
_BURNING = 0.7
"""Each further neighbour catches fire with this probability: 2.3 of them on average. The paper's best value."""
_FIRES = 10
"""Number of fires that burn at the same time: a single one would stay for long in the community where it began."""


_Ids = NDArray[Any] | PackedIds


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


def forest_fire(indptr: NDArray[np.int64], indices: _Ids, count: int, *, seed: int) -> NDArray[np.int64]:
    """Ids of `count` nodes, ascending; of all nodes where there are no more. The same for the same seed.

    A fire that dies flares up again where a neighbour is left to burn, and elsewhere only where none is: the drawn part
    is connected as far as the fires meet.
    """
    nodes = len(indptr) - 1
    if nodes <= count:
        return np.arange(nodes)
    random = np.random.default_rng(key(seed, Purpose.SAMPLE).word)
    burnt = np.zeros(nodes, bool)
    beginnings = iter(random.permutation(nodes))
    burning: deque[int] = deque()
    fires, left = 0, count
    while left:
        if fires < _FIRES or not burning:
            fires += 1
            caught = np.array([next(node for node in beginnings if not burnt[node])])
        else:
            node = burning.popleft()
            neighbours = indices[indptr[node] : indptr[node + 1]]
            fresh = neighbours[~burnt[neighbours]]
            wanted = min(len(fresh), left, int(random.geometric(1 - _BURNING)) - 1)
            caught = random.choice(fresh, wanted, replace=False)
            if len(fresh) > wanted:
                burning.append(node)
        burnt[caught] = True
        burning.extend(caught.tolist())
        left -= len(caught)
    return np.flatnonzero(burnt)


def edges_among(indptr: NDArray[np.int64], indices: _Ids, nodes: NDArray[np.int64]) -> NDArray[np.int32]:
    """(P, 2) Pairs of places in `nodes` that an edge joins, in either direction; each pair once, in order.

    The neighbours of one node are read at a time: memory is of the size of the result.
    """
    places = np.full(len(indptr) - 1, -1, np.int32)
    places[nodes] = np.arange(len(nodes), dtype=np.int32)
    keys = [np.zeros(0, np.int64)]
    for place, node in enumerate(nodes):
        others = places[indices[indptr[node] : indptr[node + 1]]]
        others = others[others >= 0].astype(np.int64)
        keys.append(np.minimum(others, place) * len(nodes) + np.maximum(others, place))
    distinct = np.unique(np.concatenate(keys))
    return np.stack(np.divmod(distinct, max(len(nodes), 1)), axis=1).astype(np.int32)


def draw_network(axes: Axes, network: Network, colours: list[str], names: Sequence[str]) -> None:
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
