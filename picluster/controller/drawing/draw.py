"""The picture of a graph, as PNG 1600 by 1000 pixels: the network, or a part of it, and its figures to the right."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from picluster.asides import written_aside
from picluster.controller.drawing.layout import layout
from picluster.controller.drawing.network import MOST_LINES, Network, draw_network, edges_among, forest_fire
from picluster.controller.drawing.style import (
    BETWEEN_CLASSES,
    DOTS_PER_INCH,
    FAINT_INK,
    INK,
    NO_DATES,
    UNLABELLED,
    check_picture,
    class_colours,
    picture_settings,
)
from picluster.graph.catalogue import details_of
from picluster.graph.folder import GraphFolder
from picluster.graph.statistics import statistics_of
from picluster.randomness import Purpose, key
from picluster.schema.datasets import DatasetDetails, DatasetDrawing
from picluster.wording import counted, printable

_INCHES = (16, 10)
_NETWORK_PLACE = (0.015, 0.02, 0.655, 0.865)
_LEFT, _WIDTH = 0.705, 0.275
"""Left end and width of the figures, as shares of the picture; so are the places below, as (bottom, height)."""
_COUNTS, _HOMOPHILY, _SPLITS = (0.73, 0.21), (0.662, 0.016), (0.583, 0.016)
_CLASSES, _DEGREES = (0.285, 0.235), (0.055, 0.155)
_SPLIT_SHADES = ("#3E4C59", "#7B8794", "#CBD2D9", "#EEF1F4")
_NAMED_CLASSES = 13
_NAMED_COLUMNS = 45
"""Largest number of classes whose names have room below a bar each."""
_LEGEND_LETTERS, _COLUMN_LETTERS = 18, 12
_ROOM_FOR_NAMES = 0.05
"""Room for names, as a share of the picture's height."""
_SINGLE_DEGREES = 30
_STEEP = 30
_NEARLY_ALL = 0.9995


def draw_graph(graph: GraphFolder, file: Path, *, most_nodes: int, seed: int) -> DatasetDrawing:
    """Write the picture of at most `most_nodes` nodes, with the statistics of all.

    InputError as `check_picture`; DataError where the disk does not take it.
    """
    check_picture(file)
    found = statistics_of(graph)
    indptr, indices = np.array(graph.array("indptr")), graph.neighbour_ids()
    nodes = forest_fire(indptr, indices, most_nodes, seed=seed)
    pairs = edges_among(indptr, indices, nodes)
    lines = pairs
    if len(pairs) > MOST_LINES:
        random = np.random.default_rng(key(seed, Purpose.SHUFFLE).word)
        lines = pairs[np.sort(random.choice(len(pairs), MOST_LINES, replace=False))]
    drawing = DatasetDrawing(
        file=str(file),
        seed=seed,
        is_sampled=len(nodes) < graph.meta.nodes,
        drawn_nodes=len(nodes),
        drawn_pairs=len(pairs),
        drawn_lines=len(lines),
        graph=details_of(graph, found),
    )
    labels = graph.array("labels")[nodes].astype(np.int64)
    network = Network(layout(pairs, len(nodes), seed=seed), lines, labels, found.degrees[nodes])
    with written_aside(file) as aside:
        _draw_picture(aside, graph.path.name, describe(drawing), network, drawing.graph, found.degrees)
    return drawing


def _draw_picture(
    file: Path, title: str, subtitle: str, network: Network, graph: DatasetDetails, degrees: NDArray[np.int64]
) -> None:
    """Write `file`, whose suffix is .png, .svg or .pdf. The same arguments give the same bytes.

    `degrees` (all nodes,) and `graph` are the whole graph's, of which `network` may be a part.
    """
    with picture_settings():
        figure = Figure(figsize=_INCHES, dpi=DOTS_PER_INCH, facecolor="white")
        figure.text(0.025, 0.955, title, size=22, weight="bold", color=INK, va="center")
        figure.text(0.025, 0.917, subtitle, size=12, color=FAINT_INK, va="center")
        colours = class_colours(np.array(graph.labels, np.int64))
        draw_network(figure.add_axes(_NETWORK_PLACE), network, colours, graph.class_names)
        places = [
            figure.add_axes((_LEFT, bottom, _WIDTH, height))
            for bottom, height in (_COUNTS, _HOMOPHILY, _SPLITS, _CLASSES, _DEGREES)
        ]
        _write_counts(places[0], graph)
        _draw_homophily(places[1], graph)
        _draw_splits(places[2], graph)
        _draw_classes(places[3], graph, colours)
        _draw_degrees(places[4], degrees)
        figure.savefig(file, format=file.suffix.removeprefix("."), metadata=NO_DATES[file.suffix])


def describe(drawing: DatasetDrawing) -> str:
    """Part of the graph that a picture shows, in a line."""
    nodes, pairs, lines = drawing.drawn_nodes, drawing.drawn_pairs, drawing.drawn_lines
    if drawing.is_sampled:
        whole = counted(drawing.graph.nodes, "node")
        shown = f"a sampled view: {nodes:,} of {whole} (forest fire, seed {drawing.seed})"
    else:
        shown = f"all {nodes:,} nodes" if nodes > 1 else "its only node"
    between = f"{lines:,} line{'' if lines == 1 else 's'}" if lines == pairs else f"{lines:,} of the {pairs:,} lines"
    return f"{shown}, {between} between them" if lines else f"{shown}, no edges"


def _write_counts(axes: Axes, graph: DatasetDetails) -> None:
    """Write counts: names to the left, numbers to the right."""
    degrees, components = graph.degrees, graph.components
    share = components.largest / graph.nodes
    # Rounded, all but two nodes would be 100 %.
    percent = "> 99.9 %" if _NEARLY_ALL < share < 1 else f"{100 * share:.1f} %"
    rows = {
        "nodes": f"{graph.nodes:,}",
        "edges, each direction counted": f"{graph.edges:,}",
        "degree, mean · median · largest": f"{degrees.mean:,.1f} · {degrees.median:,g} · {degrees.largest:,}",
        "connected components": f"{components.count:,}",
        "nodes in the largest": f"{components.largest:,} ({percent})",
        "isolated · unlabelled nodes": f"{graph.isolated:,} · {graph.unlabelled:,}",
    }
    axes.set_axis_off()
    for row, (name, value) in enumerate(rows.items()):
        height = 1 - (row + 0.5) / len(rows)
        axes.text(0, height, name, color=FAINT_INK, va="center")
        axes.text(1, height, value, color=INK, va="center", ha="right", weight="bold")


def _draw_homophily(axes: Axes, graph: DatasetDetails) -> None:
    """Draw the share of the edges that join two nodes of one class."""
    if graph.homophily is None:
        _head(axes, "homophily: unknown, no edge joins labelled nodes")
        _draw_shares(axes, (1.0,), _SPLIT_SHADES[-1:])
        return
    _head(axes, f"homophily {graph.homophily:.3f}, the share of edges within a class")
    _draw_shares(axes, (graph.homophily, 1 - graph.homophily), (INK, BETWEEN_CLASSES))


def _draw_splits(axes: Axes, graph: DatasetDetails) -> None:
    """Draw the numbers of training, validation and test nodes, and of those in no split."""
    counts = {**graph.splits, "none": graph.nodes - sum(graph.splits.values())}
    _head(axes, "split: " + ", ".join(f"{count:,} {split}" for split, count in counts.items() if count))
    _draw_shares(axes, [count / graph.nodes for count in counts.values()], _SPLIT_SHADES)


def _draw_classes(axes: Axes, graph: DatasetDetails, colours: list[str]) -> None:
    """Draw the number of nodes of each class, in the colours of the network: its legend."""
    has_names = len(graph.class_names) == graph.classes
    names = [f"class {label}" for label in range(graph.classes)]
    if has_names:
        names = [printable(name, _LEGEND_LETTERS) for name in graph.class_names]
    sizes, inks = list(graph.labels), list(colours)
    if graph.unlabelled:
        names, sizes, inks = [*names, "unlabelled"], [*sizes, graph.unlabelled], [*inks, UNLABELLED]
    places = np.arange(len(sizes))
    if len(names) > _NAMED_CLASSES:
        grey = ", in grey those of none" if graph.unlabelled else ""
        _head(axes, f"nodes in each of {counted(graph.classes, 'class', 'classes')}{grey}")
        axes.bar(places, sizes, color=inks, width=0.85)
        axes.margins(x=0.01)
        axes.yaxis.set_major_formatter(lambda value, _: f"{value:,g}")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        if has_names and len(names) <= _NAMED_COLUMNS:
            left, bottom, width, height = axes.get_position().bounds
            axes.set_position((left, bottom + _ROOM_FOR_NAMES, width, height - _ROOM_FOR_NAMES))
            axes.set_xticks(places, [printable(name, _COLUMN_LETTERS) for name in names], rotation=90, size=7)
            axes.tick_params(axis="x", length=0, pad=1)
        _plain_frame(axes)
        return
    _head(axes, "nodes in each class")
    drawn = axes.barh(places, sizes, color=inks, height=0.78)
    axes.bar_label(drawn, [f"{size:,}" for size in sizes], padding=4, color=FAINT_INK, size=10)
    axes.set_yticks(places, names)
    axes.set_ylim(max(len(sizes), 4) - 0.5, -0.5)
    axes.set_xlim(0, 1.18 * max(*sizes, 1))
    axes.set_xticks([])
    axes.tick_params(axis="y", length=0)
    _plain_frame(axes, left=False, bottom=False)


def _draw_degrees(axes: Axes, degrees: NDArray[np.int64]) -> None:
    """Draw the distribution of degrees; on logarithmic axes where degrees are far apart."""
    counts = np.bincount(degrees)
    head = "nodes by degree"
    if len(counts) - 1 <= _SINGLE_DEGREES:
        axes.bar(np.arange(len(counts)), counts, color=FAINT_INK, width=0.8)
        axes.set_xlim(-0.6, max(len(counts), 6) - 0.4)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    else:
        head += f" ({counts[0]:,} of degree 0 are not shown)" if counts[0] else ""
        edges = np.unique(np.geomspace(1, len(counts), 25).round().astype(np.int64))
        counts = np.add.reduceat(counts, edges[:-1])
        axes.bar(edges[:-1], counts, width=np.diff(edges) * 0.9, align="edge", color=FAINT_INK)
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:,g}")
    if counts.max() > _STEEP * max(int(counts[counts > 0].min()), 1):
        axes.set_yscale("log")
        axes.set_ylim(bottom=0.7)
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:,g}")
    _head(axes, head)
    _plain_frame(axes)


def _draw_shares(axes: Axes, shares: Sequence[float], colours: Sequence[str]) -> None:
    """Draw one bar, divided by shares."""
    left = 0.0
    for share, colour in zip(shares, colours, strict=True):
        axes.barh(0, share, left=left, color=colour, height=1)
        left += share
    axes.set_xlim(0, 1)
    axes.set_ylim(-0.5, 0.5)
    axes.set_axis_off()


def _head(axes: Axes, text: str) -> None:
    axes.set_title(text, loc="left", color=INK, size=10, weight="bold", pad=6)


def _plain_frame(axes: Axes, *, left: bool = True, bottom: bool = True) -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines["left"].set_visible(left)
    axes.spines["bottom"].set_visible(bottom)
    axes.spines[["left", "bottom"]].set_color("#CBD2D9")
    axes.tick_params(colors=FAINT_INK, which="both")
