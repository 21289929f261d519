"""The picture of a graph, as PNG 1600 by 1000 pixels: the network, or a part of it, and its figures to the right."""

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from picluster.controller.drawing.charts import draw_classes, draw_degrees, draw_homophily, draw_splits, write_counts
from picluster.controller.drawing.layout import layout
from picluster.controller.drawing.network import MOST_LINES, Network, draw_network
from picluster.controller.drawing.palette import FAINT_INK, INK, class_colours
from picluster.controller.drawing.sample import edges_among, forest_fire
from picluster.controller.drawing.style import DOTS_PER_INCH, NO_DATES, check_picture, picture_settings, written_aside
from picluster.graph.catalogue import details_of
from picluster.graph.folder import GraphFolder
from picluster.graph.statistics import statistics_of
from picluster.randomness import Purpose, key
from picluster.schema.datasets import DatasetDetails, DatasetDrawing
from picluster.wording import counted

_INCHES = (16, 10)
_NETWORK_PLACE = (0.015, 0.02, 0.655, 0.865)
_LEFT, _WIDTH = 0.705, 0.275
"""Left end and width of the figures, as shares of the picture; so are the places below, as (bottom, height)."""
_COUNTS, _HOMOPHILY, _SPLITS = (0.73, 0.21), (0.662, 0.016), (0.583, 0.016)
_CLASSES, _DEGREES = (0.285, 0.235), (0.055, 0.155)


def draw_graph(graph: GraphFolder, file: Path, *, most_nodes: int, seed: int) -> DatasetDrawing:
    """Write the picture of at most `most_nodes` nodes, with the statistics of all.

    InputError as `check_picture`; DataError where the disk does not take it.
    """
    check_picture(file)
    found = statistics_of(graph)
    indptr, indices = np.array(graph.array("indptr")), graph.array("indices")
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
        write_counts(places[0], graph)
        draw_homophily(places[1], graph)
        draw_splits(places[2], graph)
        draw_classes(places[3], graph, colours)
        draw_degrees(places[4], degrees)
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
