"""Graph folders below graphs/: listed, looked into, removed."""

import os
import shlex
import shutil
from pathlib import Path
from typing import NamedTuple

import numpy as np

from picluster.errors import DataError, InputError
from picluster.graph.folder import DTYPES, META_FILE, OPTIONAL_DTYPES, GraphFolder, array_path
from picluster.graph.lock import is_held
from picluster.graph.names import KNOWN, PARTIAL_MARK, check_folder_name
from picluster.graph.reddit_like import REDDIT, is_generated
from picluster.graph.statistics import Statistics, statistics_of
from picluster.schema.datasets import ComponentCounts, DatasetDetails, DatasetEntry, DatasetList, Degrees


def list_graphs(graphs_folder: Path) -> DatasetList:
    """All folders below `graphs_folder`; a damaged one is listed with its damage."""
    folders = [path for path in sorted(graphs_folder.glob("[!.]*")) if path.is_dir() and PARTIAL_MARK not in path.name]
    return DatasetList(folder=str(graphs_folder), datasets=tuple(map(_entry, folders)), can_prepare=KNOWN)


def _entry(path: Path) -> DatasetEntry:
    size = sum(file.stat().st_size for file in path.glob("*") if file.is_file())
    try:
        meta = GraphFolder.open(path).meta
    except (DataError, OSError) as error:
        damage = error.what if isinstance(error, DataError) else str(error)
        return DatasetEntry(name=path.name, damage=damage, bytes=size)
    return DatasetEntry(
        name=path.name,
        nodes=meta.nodes,
        edges=meta.edges,
        features=meta.features,
        classes=meta.classes,
        bytes=size,
        source=meta.source,
    )


def graph_details(graphs_folder: Path, name: str) -> DatasetDetails:
    """Details of one folder, read whole. InputError where it is not there, DataError where a file is damaged."""
    check_folder_name(name)
    if not (graphs_folder / name).is_dir():
        there = ", ".join(entry.name for entry in list_graphs(graphs_folder).datasets)
        fix = "make one: picluster dataset prepare cora, or import your own: picluster dataset import NAME"
        raise InputError(f"there is no graph {name!r} in {graphs_folder}", fix=f"there are {there}" if there else fix)
    graph = GraphFolder.open(graphs_folder / name)
    graph.verify()
    return details_of(graph, statistics_of(graph))


def details_of(graph: GraphFolder, found: Statistics) -> DatasetDetails:
    """Details from a folder's `meta.json` and from its statistics."""
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
        resembles=REDDIT if is_generated(meta.source) else None,
        files={file.name: file.stat().st_size for file in sorted(graph.path.iterdir())},
    )


class Removable(NamedTuple):
    """A folder below graphs/ that may be removed."""

    path: Path
    is_link: bool
    """True for a link to a folder elsewhere: the link is removed, that folder stays."""
    bytes: int
    """Space on the disk that is given back."""


def removable(graphs_folder: Path, name: str) -> Removable:
    """The folder of a name, perhaps damaged or partial. InputError: it is not there, no graph folder, or being made."""
    path = graphs_folder / name
    if not name or "/" in name or "\0" in name or name.startswith("."):
        last = Path(name).name
        is_path = last and Path(name).parent in (graphs_folder, graphs_folder.absolute())
        fix = f"say its name alone: picluster dataset rm {shlex.quote(last)}" if is_path else "picluster dataset list"
        raise InputError(f"{name!r} is not the name of a graph in {graphs_folder}", fix=fix)
    if path.is_symlink():
        return Removable(path, is_link=True, bytes=0)
    if not path.is_dir():
        raise InputError(f"there is no graph {name!r} in {graphs_folder}", fix="picluster dataset list")
    if PARTIAL_MARK not in name:
        _check_graph(path)
    elif is_held(graphs_folder):
        raise InputError(f"{path} is being made by another process", fix="wait for it, or end it")
    sizes = [file.lstat() for file in path.rglob("*") if not file.is_dir()]
    return Removable(path, is_link=False, bytes=sum(each.st_size for each in sizes if each.st_nlink == 1))


def _check_graph(path: Path) -> None:
    """InputError where the folder holds a file that no graph folder has."""
    known = {META_FILE, *(array_path(path, array).name for array in (DTYPES | OPTIONAL_DTYPES))}
    strange = sorted(file.name for file in path.iterdir() if file.name not in known or file.is_dir())
    if strange:
        shown = ", ".join(strange[:3]) + (" …" if len(strange) > 3 else "")  # noqa: PLR2004
        what = f"{path} holds {shown}, which no graph folder has"
        raise InputError(what, fix=f"move that away; or remove all of it: rm -r {shlex.quote(str(path))}")


def remove(folder: Removable) -> None:
    """Remove a folder; it is renamed first, so no part of it is ever seen. DataError where that is not allowed."""
    try:
        if folder.is_link:
            folder.path.unlink()
            return
        aside = folder.path
        if PARTIAL_MARK not in aside.name:
            aside = aside.rename(aside.with_name(f"{aside.name}{PARTIAL_MARK}{os.getpid()}"))
        shutil.rmtree(aside)
    except OSError as error:
        what = f"{folder.path} cannot be removed: {error.strerror}"
        raise DataError(what, fix=f"see whose it is: ls -ld {shlex.quote(str(folder.path.parent))}") from None
