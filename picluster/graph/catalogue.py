"""The graph folders that there are: their list, and one of them looked into."""

from pathlib import Path

import numpy as np

from picluster.errors import DataError, InputError
from picluster.graph.folder import GraphFolder
from picluster.graph.names import KNOWN, PARTIAL_MARK, check_folder_name
from picluster.graph.statistics import Statistics, statistics_of
from picluster.schema.datasets import ComponentCounts, DatasetDetails, DatasetEntry, DatasetList, Degrees

_MAKE_ONE = "make one: picluster dataset prepare cora, or import your own: picluster dataset import NAME"


def list_graphs(graphs_folder: Path) -> DatasetList:
    """Every folder below `graphs_folder`. One that is damaged says so, and hides no other."""
    folders = sorted(path for path in graphs_folder.glob("*") if path.is_dir() and not _is_hidden(path.name))
    entries = tuple(_entry(path) for path in folders)
    return DatasetList(folder=str(graphs_folder), datasets=entries, can_prepare=KNOWN)


def look_into(graphs_folder: Path, name: str) -> DatasetDetails:
    """Reads one folder whole. InputError where it is not there, DataError where a file is missing or damaged."""
    check_folder_name(name)
    if not (graphs_folder / name).is_dir():
        there = ", ".join(entry.name for entry in list_graphs(graphs_folder).datasets)
        fix = f"there are {there}" if there else _MAKE_ONE
        raise InputError(f"there is no graph {name!r} in {graphs_folder}", fix=fix)
    graph = GraphFolder.open(graphs_folder / name)
    graph.verify()
    return details_of(graph, statistics_of(graph))


def details_of(graph: GraphFolder, found: Statistics) -> DatasetDetails:
    """What the folder says of itself, and what was found by reading it."""
    meta = graph.meta
    return DatasetDetails(
        folder=str(graph.path),
        source=meta.source,
        nodes=meta.nodes,
        edges=meta.edges,
        features=meta.features,
        feature_dtype=meta.files["features"].dtype,
        classes=meta.classes,
        splits=meta.splits,
        degrees=Degrees(
            smallest=int(found.degrees.min()),
            mean=float(found.degrees.mean()),
            median=float(np.median(found.degrees)),
            largest=int(found.degrees.max()),
        ),
        isolated=found.isolated,
        components=ComponentCounts(count=len(found.components), largest=int(found.components[0])),
        homophily=found.homophily,
        labels=tuple(found.labels.tolist()),
        class_names=meta.class_names,
        unlabelled=found.unlabelled,
        files={file.name: file.stat().st_size for file in sorted(graph.path.iterdir())},
    )


def _is_hidden(name: str) -> bool:
    return name.startswith(".") or PARTIAL_MARK in name


def _entry(path: Path) -> DatasetEntry:
    size = sum(file.stat().st_size for file in path.glob("*") if file.is_file())
    try:
        meta = GraphFolder.open(path).meta
    except (DataError, OSError) as error:
        return DatasetEntry(
            name=path.name, damage=error.what if isinstance(error, DataError) else str(error), bytes=size
        )
    return DatasetEntry(
        name=path.name,
        nodes=meta.nodes,
        edges=meta.edges,
        features=meta.features,
        classes=meta.classes,
        bytes=size,
        source=meta.source,
    )
