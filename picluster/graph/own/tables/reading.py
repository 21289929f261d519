"""Reads the files of one's own graph: each is opened, then all are understood together."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

from numpy.typing import NDArray

from picluster.errors import DataError, InputError
from picluster.graph.own.column_names import INDEX_NAMES, may_be_ids
from picluster.graph.own.node_ids import NodeIds
from picluster.graph.own.own_graph import Kind, OwnGraph, Table
from picluster.graph.own.sheet import Column, FileColumns, Sheet, skip_notes, skip_option, skipped_columns
from picluster.graph.own.tables.edge_list import EdgeEnds, TextEdges, open_text_edges
from picluster.graph.own.tables.feature_columns import Features, read_features
from picluster.graph.own.tables.id_column import Evidence
from picluster.graph.own.tables.node_values import possible_counts, read_node_values
from picluster.graph.own.tables.parquet import ParquetFile, open_parquet
from picluster.graph.own.text.columns import read_numbers, read_words
from picluster.graph.own.text.text_file import TextFile, open_text
from picluster.graph.own.whole.archive import part_in, read_arrays

TEXT_SUFFIXES = (".csv", ".tsv", ".txt", ".tab", ".dat", ".edges", ".edgelist", ".mtx")
ARRAY_SUFFIXES = (".npy", ".npz")
_KINDS: dict[str, Kind] = {"edges": "ids", "features": "numbers", "labels": "words", "splits": "words"}
_PAIR = 2
_MANY_DIGITS = 16

_Opened = TextFile | TextEdges | ParquetFile | Table | dict[str, NDArray[Any]]


class _Files(NamedTuple):
    opened: dict[str, _Opened]
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
    """The graph of some files; for their forms see docs/datasets.md.

    `missing`: further words for a node without a label. `skip`: columns to leave out, by name or number from 1,
    `edges:NAME` where several files have them. `directed`: the order of an edge's ends matters.
    InputError where a file is not there or of another kind, or there is no such column; DataError where a file does
    not hold what it should, or may mean two things; MissingError where it is `.parquet` and pyarrow is missing.
    """
    given = {"edges": edges, "features": features, "labels": labels} | ({"splits": splits} if splits else {})
    files = _open_all(given, skip)
    sheets: dict[str, Sheet] = {role: _sheet_of(role, files) for role in ("labels", "splits") if role in files.columns}
    edge_list = files.opened["edges"]
    assert isinstance(edge_list, TextEdges | ParquetFile | Table)
    skipped = files.skipped.get("edges", frozenset())
    ends = EdgeEnds(edge_list, skipped, partial(skip_option, "edges", files=files.columns), directed=directed)
    found = _features(files, features, _evidence(ends, files.opened, sheets))
    _check_order(files.opened, found.table)
    shuffled, numbered_head = found.table.nodes is not None, found.numbered_head
    by_node = {
        role: read_node_values(sheet, role, found.ids, shuffled=shuffled, numbered_head=found.numbered_head)
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
    found_in = {role: _open_file(role, file, skip) for role, file in given.items()}
    opened = {role: one for role, (one, _) in found_in.items()}
    entries = frozenset[str]().union(*(words for _, words in found_in.values()))
    columns = {role: found for role, one in opened.items() if (found := _columns_of(one))}
    if isinstance(array := opened["edges"], Table) and array.rows.shape[1] > _PAIR:
        columns["edges"] = FileColumns(array.rows.shape[1], (), spare=True)
    skipped = skipped_columns([word for word in skip if word not in entries], columns)
    notes = [*(f"edges: {word} is left out" for word in sorted(entries)), *skip_notes(skipped, columns)]
    return _Files(opened, columns, skipped, tuple(notes))


def _check_order(opened: dict[str, _Opened], features: Table) -> None:
    """DataError where an array has one value for each node, and features are in another order than their nodes."""
    for role in ("labels", "splits"):
        one = opened.get(role)
        if features.nodes is not None and isinstance(one, Table) and one.rows.shape[1] == 1:
            what = f"{one.where(0)} and on: {role} in the order of the nodes, or of the rows of features?"
            raise DataError(what, fix=f"give {role} two columns: node, {role[:-1]}")


def _features(files: _Files, file: Path, evidence: Evidence) -> Features:
    opened = files.opened["features"]
    if isinstance(opened, Table):
        return Features(opened, NodeIds(count=len(opened.rows), source=str(file)), (), (), numbered_head=False)
    return read_features(_sheet_of("features", files), evidence)


def _evidence(ends: EdgeEnds, opened: dict[str, _Opened], sheets: dict[str, Sheet]) -> Evidence:
    """The evidence of edges, labels and splits on the nodes."""
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
            if len(columns) == 1:
                column = sheet.words[columns[0]]
                counts.append(possible_counts(column, role, sheet.empty_lines, headed=bool(sheet.names)))
            elif len(columns) == _PAIR:
                headless = sheet.head_is(names=True) if sheet.doubtful else sheet
                places = sorted(columns, key=lambda place: not (bool(names) and may_be_ids(names[place])))
                ids.append(headless.column(places[0]))
    return Evidence(ends.columns, tuple(ids), tuple(counts))


def _open_file(role: str, file: Path, skip: Sequence[str]) -> tuple[_Opened, frozenset[str]]:
    """An opened file, and words of `skip` that are its entries. InputError where it is missing or of another kind."""
    suffix = Path(file.name.lower().removesuffix(".gz")).suffix
    if suffix not in (*TEXT_SUFFIXES, *ARRAY_SUFFIXES, ".parquet"):
        fix = (
            f"it must end in {', '.join((*TEXT_SUFFIXES, '.parquet', *ARRAY_SUFFIXES))}; .gz may follow that of a text"
        )
        raise InputError(f"{file} is of no kind that can be read", fix=fix)
    if not file.is_file():
        raise InputError(f"there is no file {file}")
    if suffix in ARRAY_SUFFIXES:
        if role == "splits" and suffix == ".npz":
            return read_arrays(file), frozenset()
        return part_in(role, file, _KINDS[role], skip)
    if suffix == ".parquet":
        return open_parquet(file), frozenset()
    text = open_text(file, _KINDS[role])
    if role != "edges" and text.dialect.banner:
        raise DataError(f"{file} is a Matrix Market file, which can be edges alone", fix=f"save {role} as CSV")
    return open_text_edges(text) if role == "edges" else text, frozenset()


def _columns_of(opened: _Opened) -> FileColumns | None:
    """The columns that can be skipped; None where there are none."""
    if isinstance(opened, TextEdges | ParquetFile):
        return opened.columns
    if isinstance(opened, TextFile):  # where the first line may be a head, what is typed after --skip will say so
        width = opened.width - len(opened.empty)
        return FileColumns(width, opened.names or opened.doubtful, spare=bool(opened.doubtful) and width > _PAIR)
    return None


def _sheet_of(role: str, files: _Files) -> Sheet:
    """The columns of features, labels or splits, read whole. DataError names the line that does not fit."""
    opened, left_out = files.opened[role], files.skipped[role]
    skip = partial(skip_option, role, files=files.columns)
    if isinstance(opened, ParquetFile):
        return replace(opened.sheet(_KINDS[role], left_out), skip=skip)
    assert isinstance(opened, TextFile)
    if role == "features":
        opened.check_numbers()
        words = {place for place in range(opened.width) if place not in opened.numeric}
        words |= {place for place, name in enumerate(opened.names) if may_be_ids(name)}
        words |= {place for place in opened.numeric if _are_codes([record.cells[place] for record in opened.sample])}
        sheet = read_numbers(opened, frozenset(words - left_out - opened.empty), left_out)
    else:
        opened.check_comments()
        sheet = read_words(opened, left_out)
    return replace(sheet, skip=skip, notes=opened.notes(role, slowly_read=bool(sheet.words)))


def _are_codes(cells: list[str]) -> bool:
    """True where float64 would lose digits of a column that may hold ids: 007, or numbers of 16 digits and more."""
    digits = all(cell.isascii() and cell.isdecimal() for cell in cells)
    return digits and any(len(cell) >= _MANY_DIGITS or (len(cell) > 1 and cell[0] == "0") for cell in cells)
