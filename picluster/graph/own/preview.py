"""A few nodes of a graph in words, so that a person sees whether it was read as it was meant."""

from picluster.graph.folder import SPLITS, GraphFolder

_SHOWN_NODES = 3
_SHOWN_VALUES = 4


def preview(graph: GraphFolder) -> list[str]:
    """A line on each of the first nodes: features, label, split, and the neighbours that it gathers from."""
    return [_line(graph, node) for node in range(min(_SHOWN_NODES, graph.meta.nodes))]


def _line(graph: GraphFolder, node: int) -> str:
    names = graph.node_names()
    called = f" ({names[node]})" if names else ""
    features = [f"{value:.4g}" for value in graph.array("features")[node, :_SHOWN_VALUES].tolist()]
    start, end = (int(place) for place in graph.array("indptr")[node : node + 2])
    shown = graph.array("indices")[start : min(end, start + _SHOWN_VALUES)].tolist()
    neighbours = [names[other] if names else str(other) for other in shown]
    parts = [
        f"features {_few(features, graph.meta.features)}",
        _label(graph, node),
        *(name for name in SPLITS if (graph.array(name) == node).any()),
        f"neighbours {_few(neighbours, end - start)}" if neighbours else "no neighbours",
    ]
    return f"node {node}{called}: {', '.join(parts)}"


def _label(graph: GraphFolder, node: int) -> str:
    label = int(graph.array("labels")[node])
    if label < 0:
        return "no label"
    return f"label {graph.meta.class_names[label] if graph.meta.class_names else label}"


def _few(values: list[str], count: int) -> str:
    return " ".join(values) + (f" … ({count:,})" if count > len(values) else "")
