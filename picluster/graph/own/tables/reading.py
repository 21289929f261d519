"""Reads the files of one's own graph: each is opened, then all are understood together."""

from collections.abc import Sequence
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

from picluster.errors import DataError
from picluster.graph.own.column_names import INDEX_NAMES, may_be_ids
from picluster.graph.own.node_ids import numbered
from picluster.graph.own.own_graph import OwnGraph
from picluster.graph.own.sheet import Column, Sheet
from picluster.graph.own.table import Table
from picluster.graph.own.tables.edge_list import EdgeEnds, TextEdges
from picluster.graph.own.tables.evidence import Evidence, possible_counts
from picluster.graph.own.tables.feature_columns import Features, read_features
from picluster.graph.own.tables.node_values import read_node_values
from picluster.graph.own.tables.opening import Opened, columns_of, open_file, sheet_of
from picluster.graph.own.tables.parquet import ParquetFile
from picluster.graph.own.tables.skipping import FileColumns, skip_notes, skipped_columns
from picluster.graph.own.words import WordColumn

_PAIR = 2


class _Files(NamedTuple):
    opened: dict[str, Opened]
    columns: dict[str, FileColumns]
    """Those that can be skipped, of text and Parquet, and of edges in arrays."""
    skipped: dict[str, frozenset[int]]
    notes: tuple[str, ...]


def read_own(
    edges: Path,
    features: Path,
    labels: Path,
    splits: Path | None,
    *,
    missing: Sequence[str] = (),
    skip: Sequence[str] = (),
    directed: bool = False,
) -> OwnGraph:
    """Reads the files of a graph; for their forms see docs/datasets.md.

    `missing`: further words for a node without a label. `skip`: columns to leave out, by name or number from 1,
    `edges:NAME` where several files have them. `directed`: the order of an edge's ends matters.

    InputError where a file is not there or of another kind, or there is no such column; DataError where a file does
    not hold what it should, or may mean two things; MissingError where it is `.parquet` and pyarrow is missing.
    """
    given = {"edges": edges, "features": features, "labels": labels} | ({"splits": splits} if splits else {})
    files = _open_all(given, skip)
    roles = [role for role in ("labels", "splits") if role in files.columns]
    sheets: dict[str, Sheet] = {role: sheet_of(role, files.opened[role], files.skipped) for role in roles}
    edge_list = files.opened["edges"]
    assert isinstance(edge_list, TextEdges | ParquetFile | Table)
    ends = EdgeEnds(edge_list, files.skipped.get("edges", frozenset()), files.columns, directed=directed)
    found = _features(files, features, _evidence(ends, files.opened, sheets))
    _check_order(files.opened, found.table)
    shuffled, numbered_head = found.table.nodes is not None, found.numbered_head
    by_node = {
        role: read_node_values(
            sheet, role, found.ids, files.columns, shuffled=shuffled, numbered_head=found.numbered_head
        )
        for role, sheet in sheets.items()
    }
    numbered_head |= any(read.numbered_head for read in by_node.values())
    table, noted = ends.numbered_by(found.ids, numbered_heads=numbered_head)
    values: dict[str, Any] = files.opened | {role: read.table for role, read in by_node.items()}
    return OwnGraph(
        edges=table,
        features=found.table,
        feature_names=found.names,
        labels=values["labels"],
        splits=values.get("splits"),
        splits_source=str(splits),
        origin=f"imported from {', '.join(file.name for file in given.values())}",
        node_names=found.ids.names,
        missing=tuple(missing),
        notes=(*files.notes, *ends.notes, *noted, *found.notes, *chain(*(read.notes for read in by_node.values()))),
    )


def _open_all(given: dict[str, Path], skip: Sequence[str]) -> _Files:
    """Opens every file. InputError where something in `skip` is nowhere."""
    found_in = {role: open_file(role, file, skip) for role, file in given.items()}
    opened = {role: one for role, (one, _) in found_in.items()}
    entries = frozenset[str]().union(*(words for _, words in found_in.values()))
    columns = {role: found for role, one in opened.items() if (found := columns_of(one))}
    if isinstance(array := opened["edges"], Table) and array.rows.shape[1] > _PAIR:
        columns["edges"] = FileColumns(array.rows.shape[1], (), spare=True)
    skipped = skipped_columns([word for word in skip if word not in entries], columns)
    notes = [*(f"edges: {word} is left out" for word in sorted(entries)), *skip_notes(skipped, columns)]
    return _Files(opened, columns, skipped, tuple(notes))


def _check_order(opened: dict[str, Opened], features: Table) -> None:
    """DataError where an array has one value for each node, and features are in another order than their nodes."""
    for role in ("labels", "splits"):
        one = opened.get(role)
        if features.nodes is not None and isinstance(one, Table) and one.rows.shape[1] == 1:
            what = f"{one.where(0)} and on: {role} in the order of the nodes, or of the rows of features?"
            raise DataError(what, fix=f"give {role} two columns: node, {role[:-1]}")


def _features(files: _Files, file: Path, evidence: Evidence) -> Features:
    opened = files.opened["features"]
    if isinstance(opened, Table):
        return Features(opened, numbered(len(opened.rows), str(file)), (), (), numbered_head=False)
    return read_features(sheet_of("features", opened, files.skipped), evidence, files.columns)


def _evidence(ends: EdgeEnds, opened: dict[str, Opened], sheets: dict[str, Sheet]) -> Evidence:
    """What edges, labels and splits tell of the nodes."""
    ids: list[Column] = []
    counts: list[frozenset[int]] = []
    for role in ("labels", "splits"):
        one = opened.get(role)
        if isinstance(one, Table) and one.rows.shape[1] == 1:
            counts.append(frozenset([len(one.rows)]))
        if sheet := sheets.get(role):
            names = sheet.names or sheet.doubtful
            columns = [
                place for place in sheet.columns if len(sheet.columns) <= _PAIR or names[place] not in INDEX_NAMES
            ]
            column = sheet.column(columns[0]) if len(columns) == 1 else None
            if isinstance(column, WordColumn):
                counts.append(possible_counts(column, role, sheet.empty_lines, headed=bool(sheet.names)))
            elif len(columns) == _PAIR:
                headless = sheet.head_is(names=True) if sheet.doubtful else sheet
                places = sorted(columns, key=lambda place: not (bool(names) and may_be_ids(names[place])))
                ids.append(headless.column(places[0]))
    return Evidence(() if ends.from_one else ends.columns, tuple(ids), tuple(counts))
