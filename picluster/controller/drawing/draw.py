"""Drawing of a graph: a part of it where it is large, laid out, written aside and renamed."""

from pathlib import Path

import numpy as np

from picluster.controller.drawing.sample import edges_among, forest_fire
from picluster.controller.drawing.style import written_aside
from picluster.controller.record.output_file import check_output
from picluster.graph.catalogue import details_of
from picluster.graph.folder import GraphFolder
from picluster.graph.statistics import statistics_of
from picluster.randomness import Purpose, key
from picluster.schema.datasets import DatasetDrawing
from picluster.wording import counted

SUFFIXES = (".png", ".svg", ".pdf")


def check_picture(file: Path, option: str = "--output") -> None:
    """Raise InputError where no picture can be written to that file, which `option` names on the command line."""
    check_output(file, option, SUFFIXES, "picture that can be drawn")


def draw_graph(graph: GraphFolder, file: Path, *, most_nodes: int, seed: int) -> DatasetDrawing:
    """Write the picture of at most `most_nodes` nodes, with the statistics of all.

    InputError as `check_picture`; DataError where the disk does not take it.
    """
    from picluster.controller.drawing.layout import layout
    from picluster.controller.drawing.network import MOST_LINES, Network
    from picluster.controller.drawing.picture import draw_picture

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
        draw_picture(aside, graph.path.name, describe(drawing), network, drawing.graph, found.degrees)
    return drawing


def describe(drawing: DatasetDrawing) -> str:
    """Part of the graph that the picture shows, in a line."""
    nodes, pairs, lines = drawing.drawn_nodes, drawing.drawn_pairs, drawing.drawn_lines
    if drawing.is_sampled:
        shown = (
            f"a sampled view: {nodes:,} of {counted(drawing.graph.nodes, 'node')} (forest fire, seed {drawing.seed})"
        )
    else:
        shown = f"all {nodes:,} nodes" if nodes > 1 else "its only node"
    between = f"{lines:,} line{'' if lines == 1 else 's'}" if lines == pairs else f"{lines:,} of the {pairs:,} lines"
    return f"{shown}, {between} between them" if lines else f"{shown}, no edges"
