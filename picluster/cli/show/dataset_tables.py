"""Graph folders as text at 80 columns."""

from rich.filesize import decimal

from picluster.cli.show.screen import Screen
from picluster.cli.show.words import plain
from picluster.schema.datasets import DatasetDetails, DatasetDrawing, DatasetList, Published
from picluster.wording import counted, listed_name

_NAME_WIDTH = 24
_STATISTIC_WIDTH = 16
_CLASSES_SHOWN = 100
_NAME_LETTERS = 40


def show_list(found: DatasetList) -> None:
    """Print a line for each graph, and below it its origin or its damage."""
    screen = Screen()
    if not found.datasets:
        screen.tell(f"no graphs in {found.folder}/")
    else:
        screen.tell(f"{'graph':<{_NAME_WIDTH}}{'nodes':>11}{'edges':>13}{'features':>10}{'classes':>9}{'size':>11}")
    for entry in found.datasets:
        sizes = f"{entry.nodes:>11,}{entry.edges:>13,}{entry.features:>10,}{entry.classes:>9,}"
        told = f"{'damaged':>11}{'':32}" if entry.damage is not None else sizes
        screen.tell(f"{plain(entry.name):<{_NAME_WIDTH}}{told}{decimal(entry.bytes):>11}")
        screen.fill(f"  {plain(entry.source if entry.damage is None else entry.damage)}", indent=2)
    screen.fill(f"can be prepared: {', '.join(found.can_prepare)}", indent=17)


def show_details(graph: DatasetDetails) -> None:
    """Print a line for each property."""
    degrees = graph.degrees
    homophily = "unknown" if graph.homophily is None else f"{graph.homophily:.3f} of the edges join nodes of one class"
    lines = {
        "graph": plain(graph.folder),
        "source": plain(graph.source),
        "nodes": f"{graph.nodes:,}, {graph.isolated:,} of them isolated, {graph.unlabelled:,} unlabelled",
        "edges": f"{graph.edges:,}, each direction counted",
        "features": f"{graph.features:,}, {graph.feature_dtype}",
        "splits": ", ".join(f"{count:,} {split}" for split, count in graph.splits.items()),
        "degrees": f"{degrees.smallest:,} to {degrees.largest:,}, mean {degrees.mean:,.1f}, median {degrees.median:,g}",
        "components": f"{graph.components.count:,}, the largest has {counted(graph.components.largest, 'node')}",
        "homophily": homophily,
        "classes": f"{graph.classes:,}",
        "labels": _labels(graph),
        "files": ", ".join(f"{plain(file)} {decimal(size)}" for file, size in graph.files.items()),
    }
    screen = Screen()
    for head, text in lines.items():
        screen.fill(f"{head:<11}{text}", indent=11)
    if graph.resembles:
        screen.tell("")
        for line in _beside(graph, graph.resembles):
            screen.tell(line)


def _beside(graph: DatasetDetails, other: Published) -> list[str]:
    """A line for each statistic of a generated graph and of the data set whose shape it has."""
    rows = [
        ("nodes", f"{graph.nodes:,}", f"{other.nodes:,}"),
        ("edges", f"{graph.edges:,}", f"{other.edges:,}"),
        ("features", f"{graph.features:,}", f"{other.features:,}"),
        ("classes", f"{graph.classes:,}", f"{other.classes:,}"),
        *((split, f"{count:,}", f"{other.splits[split]:,}") for split, count in graph.splits.items()),
        ("mean degree", f"{graph.degrees.mean:,.1f}", f"{other.mean_degree:,.1f}"),
        ("largest degree", f"{graph.degrees.largest:,}", f"{other.largest_degree:,}"),
        ("homophily", "" if graph.homophily is None else f"{graph.homophily:.3f}", f"{other.homophily:.3f}"),
    ]
    head = f"{'':<{_STATISTIC_WIDTH}}{'generated':>14}{other.name + ' (published)':>20}"
    return [head, *(f"{name:<{_STATISTIC_WIDTH}}{own:>14}{published:>20}" for name, own, published in rows)]


def _labels(graph: DatasetDetails) -> str:
    """Number of nodes of each class, by its name where it has one."""
    has_names = len(graph.class_names) == graph.classes
    names = [listed_name(name, _NAME_LETTERS) for name in graph.class_names] if has_names else range(graph.classes)
    shown = [f"{name}: {count:,}" for name, count in zip(names, graph.labels[:_CLASSES_SHOWN], strict=False)]
    left_out = len(graph.labels) - len(shown)
    return ", ".join(shown) + (f" … and {left_out:,} classes more (--json has all)" if left_out else "")


def show_drawing(drawing: DatasetDrawing) -> None:
    """Print the picture's file, and which part of the graph it shows."""
    from picluster.controller.drawing.draw import describe

    screen = Screen()
    screen.fill(f"picture    {plain(drawing.file)}", indent=11)
    screen.fill(f"shows      {describe(drawing)}", indent=11)
