"""From the files of one's own graph to what they hold."""

from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from picluster.graph.own.arrays import read_arrays
from picluster.graph.own.own_graph import OwnGraph
from picluster.graph.own.table import Table
from picluster.graph.own.table_file import read_table


def read_own(edges: Path, features: Path, labels: Path, splits: Path | None) -> OwnGraph:
    """Reads the files of a graph; for their forms see docs/datasets.md. Errors as those of `read_table`."""
    table = read_table(edges, "ids", "edges")
    if edges.suffix.lower() in (".npy", ".npz") and len(table.rows) == 2 != table.rows.shape[1]:  # noqa: PLR2004
        columns = table.rows.T  # as PyG has it: (2, E)
        table = Table(rows=columns, where=lambda edge: f"{edges}, column {edge} (from 0)")
    given = (edges, features, labels, *([splits] if splits else []))
    return OwnGraph(
        edges=table,
        features=read_table(features, "numbers", "features"),
        labels=read_table(labels, "words", "labels"),
        splits=_read_splits_file(splits) if splits else None,
        splits_source=str(splits),
        origin=f"imported from {', '.join(file.name for file in given)}",
    )


def _read_splits_file(file: Path) -> Table | dict[str, NDArray[Any]]:
    return read_arrays(file) if file.suffix.lower() == ".npz" else read_table(file, "words", "splits")
