"""One's own graph: how it is checked, and how it becomes a graph folder."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from picluster.errors import DataError, InputError
from picluster.graph.edges import Edges, distinct_edges
from picluster.graph.folder import SPLITS, GraphFolder
from picluster.graph.lock import maker_lock
from picluster.graph.names import check_own_name
from picluster.graph.own.labels import read_labels
from picluster.graph.own.node_ids import check_ids, nodes_of
from picluster.graph.own.own_graph import OwnGraph, Table
from picluster.graph.own.splits import read_splits
from picluster.graph.own.words import plain_number, words_of
from picluster.graph.precision import Loss, first_blur, first_loss
from picluster.graph.splits import empty_split_notes, split_by_share
from picluster.graph.writer import GraphWriter

_MOST_NODES = (1 << 31) - 1
_MOST_WORDS = 12
_SHOWN_NODES = 3
_SHOWN_VALUES = 4
_CHUNK_VALUES = 1 << 22
_SCALE = "scale the column, such as by its largest value"


class Imported(NamedTuple):
    """A graph folder that was made of one's own graph, and what its maker should know."""

    graph: GraphFolder
    notes: list[str]
    """Sentences."""
    preview: list[str]
    """A line on each of some nodes."""


class _Checked(NamedTuple):
    """The graph as it is written, once it is checked."""

    labels: NDArray[Any]
    class_names: tuple[str, ...]
    splits: dict[str, NDArray[np.int32]]
    feature_dtype: str
    notes: list[str]


def import_graph(
    name: str,
    own: OwnGraph,
    *,
    graphs_folder: Path,
    directed: bool = False,
    feature_dtype: str | None = None,
    split_seed: int | None = None,
    force: bool = False,
) -> Imported:
    """Write the graph folder `name` below `graphs_folder`. Undirected: every edge in both directions.

    `feature_dtype` None: float16, or float32 where that would lose something. `split_seed`: where there is no split.
    InputError for a name that is taken or cannot be; DataError where something in the graph does not fit, with its
    place. After an error nothing is left behind.
    """
    check_free(name, graphs_folder, force=force)
    checked = _check(own, feature_dtype, split_seed)
    nodes, notes = len(own.features.rows), [*own.notes, *checked.notes]
    path = graphs_folder / name
    with maker_lock(path):
        check_free(name, graphs_folder, force=force)
        classes = int(checked.labels.max()) + 1
        with GraphWriter(path, source=own.origin, classes=classes, class_names=checked.class_names) as writer:
            written = writer.create_features(own.features.rows.shape[:2], checked.feature_dtype)
            for place in _chunks_of(own.features):
                written[place if own.features.nodes is None else own.features.nodes[place]] = own.features.rows[place]
            written.flush()
            edges = distinct_edges(own.edges.rows[:, 0], own.edges.rows[:, 1], directed=directed)
            edges.write(writer, nodes)
            writer.write("labels", checked.labels)
            writer.write_splits(checked.splits)
            if own.node_names:
                writer.write_node_names(own.node_names)
    graph = GraphFolder.open(path)
    empty = [f"split: {told}" for told in empty_split_notes(graph.meta.splits)]
    from_one = own.edges.rows.min() == 1 and not own.node_names
    return Imported(graph, [*notes, *empty, *_edge_notes(edges, from_one=bool(from_one))], _preview(graph))


def _edge_notes(edges: Edges, *, from_one: bool) -> list[str]:
    """Sentences on the edges that were left out or added."""
    notes = []
    if edges.loops or edges.repeated:
        notes.append(f"edges left out: {edges.repeated:,} repeated, {edges.loops:,} from a node to itself")
    if edges.one_way and not edges.directed:
        what = f"edges added: {edges.one_way:,} of {edges.given:,} had no opposite, and now lead both ways"
        notes.append(f"{what} (--directed keeps their directions)")
    if from_one:
        notes.append(
            "edges: node 0 is in none: where your ids begin with 1, subtract 1, or give features a column of ids"
        )
    return notes


def check_free(name: str, graphs_folder: Path, *, force: bool) -> None:
    """InputError where the name cannot be, or there is such a graph already, and no `force`."""
    check_own_name(name)
    if (graphs_folder / name).exists() and not force:
        raise InputError(f"there is a graph {name!r} already", fix="choose another name, or replace it with --force")


def _check(own: OwnGraph, feature_dtype: str | None, split_seed: int | None) -> _Checked:
    """DataError where something in the graph does not fit, with its place."""
    nodes, width = len(own.features.rows), own.features.rows.shape[1]
    if nodes > _MOST_NODES or width < 1:
        fix = f"at most {_MOST_NODES:,} nodes, at least one feature"
        raise DataError(f"{own.features.where(0)} and on: {nodes:,} nodes of {width} features cannot be", fix=fix)
    if own.edges.rows.shape[1] != 2:  # noqa: PLR2004
        what = f"{own.edges.where(0)} has {own.edges.rows.shape[1]} columns; edges have 2: source, target"
        raise DataError(what, fix="leave out the others: edges have no weights here")
    check_ids(own.edges, own.edges.rows, nodes)
    _check_missing(own, nodes)
    labels, names, noted = read_labels(own.labels, nodes, own.missing)
    notes = [*noted]
    if given := own.class_names:
        numbers = [plain_number(name) for name in names] if names else list(range(int(labels.max()) + 1))
        called = tuple(given[number] for number in numbers if number is not None and number < len(given))
        if len(called) == len(numbers):
            names = called
        else:
            notes.append("names of classes are passed over: labels are words, or have numbers beyond the names")
    if own.splits is None:
        seed = split_seed or 0
        splits = split_by_share(np.flatnonzero(labels >= 0).astype(np.int32), seed)
        notes.append(f"split: 60 % train, 20 % validation, 20 % test of the labelled nodes, by seed {seed}")
    elif split_seed is not None:
        what = "--split-seed draws a split, and this graph comes with one"
        raise InputError(what, fix="leave it out, or leave out the split that the graph comes with")
    else:
        splits = read_splits(own.splits, own.splits_source, labels, own.missing)
    dtype, lost = _choose_dtype(own.features, own.feature_names, feature_dtype)
    return _Checked(labels, names, splits, dtype, [*notes, *lost])


def _chunks_of(table: Table) -> list[slice]:
    """Parts of a table's rows."""
    rows = max(1, _CHUNK_VALUES // table.rows.shape[1])
    return [slice(start, start + rows) for start in range(0, len(table.rows), rows)]


def _choose_dtype(features: Table, names: Sequence[str], asked: str | None) -> tuple[str, list[str]]:
    """The type of features, fp16 where it holds them, else fp32; and sentences on it. int8 must be asked for.

    What is asked for is obeyed, unless values would become infinite. `names` of the columns, where they have any.
    DataError names the first feature that is no finite number, or beyond the type.
    """

    def chunks() -> Iterable[NDArray[Any]]:
        return (features.rows[place] for place in _chunks_of(features))

    def say(loss: Loss) -> str:
        return f"{loss.words} ({_place(features, names, loss.row, loss.column)})"

    _check_finite(features, names)
    if asked == "int8":
        if (beyond := first_loss(chunks, "float32")) and beyond.too_large:
            raise DataError(say(beyond), fix=_SCALE)
        blur = first_blur(chunks)
        return asked, [f"features: stored as int8 as asked, although {say(blur)}: a row has one unit"] if blur else []
    in_fp16 = None if asked == "float32" else first_loss(chunks, "float16")
    if asked == "float16" and in_fp16 and in_fp16.too_large:
        raise DataError(say(in_fp16), fix=f"leave out --store fp16 (fp32 is taken then), or {_SCALE}")
    if asked == "float16" and in_fp16:
        return asked, [f"features: stored as fp16 as asked, although {say(in_fp16)}"]
    if asked != "float32" and in_fp16 is None:
        return "float16", []
    notes = [f"features: stored as fp32, because {say(in_fp16)}"] if in_fp16 else []
    in_fp32 = first_loss(chunks, "float32")
    if in_fp32 and in_fp32.too_large:
        raise DataError(say(in_fp32), fix=_SCALE)
    if in_fp32:
        subtract = "subtract what all have in common before importing"
        notes.append(f"features: even fp32 has too few digits: {say(in_fp32)}; {subtract}")
    return "float32", notes


def _place(features: Table, names: Sequence[str], row: int, column: int) -> str:
    named = f"{names[column]!r}" if column < len(names) else f"{column} (from 0)"
    return f"{features.where(row)}, feature {named}"


def _check_finite(features: Table, names: Sequence[str]) -> None:
    for part in _chunks_of(features):
        rows = features.rows[part]
        if not np.isfinite(rows).all():
            row, column = (int(index) for index in np.argwhere(~np.isfinite(rows))[0])
            where = _place(features, names, part.start + row, column)
            raise DataError(f"{where} is {rows[row, column]}, not a finite number", fix="replace it, such as by 0")


def _check_missing(own: OwnGraph, nodes: int) -> None:
    """InputError where a word for "no label" stands nowhere: it may be misspelt."""
    if not own.missing:
        return
    tables = [own.labels, *([own.splits] if isinstance(own.splits, Table) else [])]
    words = {word for table in tables for word in words_of(nodes_of(table, nodes)[1]).distinct}
    if strange := [word for word in own.missing if word not in words]:
        some = ", ".join(sorted(words)[:_MOST_WORDS])
        raise InputError(f"--missing {strange[0]}: no label is called so", fix=f"leave it out; there are {some}")


def _preview(graph: GraphFolder) -> list[str]:
    """A line on each of the first nodes: features, label, split, and the neighbours that it gathers from."""
    names = graph.node_names()
    lines = []
    for node in range(min(_SHOWN_NODES, graph.meta.nodes)):
        features = [f"{value:.4g}" for value in graph.feature_rows(slice(node, node + 1))[0, :_SHOWN_VALUES].tolist()]
        start, end = (int(place) for place in graph.array("indptr")[node : node + 2])
        shown = graph.neighbour_ids()[start : min(end, start + _SHOWN_VALUES)].tolist()
        neighbours = [names[other] if names else str(other) for other in shown]
        label = int(graph.array("labels")[node])
        named = graph.meta.class_names[label] if graph.meta.class_names else label
        parts = [
            f"features {_few(features, graph.meta.features)}",
            f"label {named}" if label >= 0 else "no label",
            *(name for name in SPLITS if (graph.array(name) == node).any()),
            f"neighbours {_few(neighbours, end - start)}" if neighbours else "no neighbours",
        ]
        lines.append(f"node {node}{f' ({names[node]})' if names else ''}: {', '.join(parts)}")
    return lines


def _few(values: list[str], count: int) -> str:
    return " ".join(values) + (f" … ({count:,})" if count > len(values) else "")
