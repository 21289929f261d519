"""From the files of one's own graph to the graph: each file is opened, then all are understood together."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from picluster.errors import DataError, InputError
from picluster.graph.own.arrays import read_arrays
from picluster.graph.own.edge_columns import EdgeFile, find_ends
from picluster.graph.own.edge_list import (
    TextEdges,
    find_text_ends,
    look_at_edges,
    market_ids,
    number_edges,
    number_market,
    read_text_ends,
)
from picluster.graph.own.evidence import Evidence, possible_counts
from picluster.graph.own.feature_columns import Features, read_features
from picluster.graph.own.heads import INDEX_HEADS, may_be_ids, names_ends
from picluster.graph.own.node_ids import NodeIds, numbered
from picluster.graph.own.node_values import read_node_values
from picluster.graph.own.own_graph import OwnGraph
from picluster.graph.own.parquet import open_parquet, parquet_columns, parquet_sheet
from picluster.graph.own.sheet import Column, Sheet
from picluster.graph.own.skipping import FileColumns, skip_notes, skipped_columns
from picluster.graph.own.table import Kind, Table, as_table
from picluster.graph.own.text.columns import read_numbers, read_words
from picluster.graph.own.text.layout import Layout, find_layout
from picluster.graph.own.text.notes import check_comments, check_decimals, check_empty_lines, text_notes
from picluster.graph.own.text.records import Peek, peek

TEXT_SUFFIXES = (".csv", ".tsv", ".txt", ".tab", ".dat", ".edges", ".edgelist", ".mtx")
ARRAY_SUFFIXES = (".npy", ".npz")
_KINDS: dict[str, Kind] = {"edges": "ids", "features": "numbers", "labels": "words", "splits": "words"}
_PAIR = 2


class _Text(NamedTuple):
    peek: Peek
    layout: Layout
    edges: TextEdges | None


class _Parquet(NamedTuple):
    file: Path
    table: Any


_Opened = _Text | _Parquet | Table | dict[str, NDArray[Any]]


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
    opened = {role: _open(role, file) for role, file in given.items()}
    files = {role: _columns(one) for role, one in opened.items() if isinstance(one, _Text | _Parquet)}
    skipped = skipped_columns(skip, files)
    sheets: dict[str, Sheet] = {}
    for role in ("labels", "splits"):
        if role in files:
            sheets[role] = _sheet(role, opened[role], skipped)
    ends = _Ends(opened["edges"], skipped.get("edges", frozenset()), files, directed=directed)
    found = _features(opened["features"], features, _evidence(ends, opened, sheets), skipped, files)
    table, noted = ends.numbered_by(found.ids, numbered_heads=found.numbered_head)
    notes = [*skip_notes(skipped, files), *ends.notes, *noted, *found.notes]
    _check_order(opened, found.table)
    values: dict[str, Any] = {"splits": None} | {role: opened[role] for role in ("labels", "splits") if role in opened}
    for role, sheet in sheets.items():
        read = read_node_values(sheet, role, found.ids, files, shuffled=found.table.nodes is not None)
        values[role] = read.table
        notes += read.notes
    return OwnGraph(
        edges=table,
        features=found.table,
        feature_names=found.names,
        labels=values["labels"],
        splits=values["splits"],
        splits_source=str(splits),
        origin=f"imported from {', '.join(file.name for file in given.values())}",
        node_names=found.ids.names,
        missing=tuple(missing),
        notes=tuple(notes),
    )


def _check_order(opened: dict[str, _Opened], features: Table) -> None:
    """DataError where an array has one value for each node, and features are in another order than their nodes."""
    for role in ("labels", "splits"):
        one = opened.get(role)
        if features.nodes is not None and isinstance(one, Table) and one.rows.shape[1] == 1:
            what = f"{one.where(0)} and on: {role} in the order of the nodes, or of the rows of features?"
            raise DataError(what, fix=f"give {role} two columns: node, {role[:-1]}")


def _open(role: str, file: Path) -> _Opened:
    suffix = _suffix(file)
    if suffix not in (*TEXT_SUFFIXES, *ARRAY_SUFFIXES, ".parquet"):
        fix = (
            f"it must end in {', '.join((*TEXT_SUFFIXES, '.parquet', *ARRAY_SUFFIXES))}; .gz may follow that of a text"
        )
        raise InputError(f"{file} is of no kind that can be read", fix=fix)
    if not file.is_file():
        raise InputError(f"there is no file {file}")
    if suffix in ARRAY_SUFFIXES:
        return _arrays(role, file)
    if suffix == ".parquet":
        return _Parquet(file, open_parquet(file))
    first = peek(file, ids_first=_KINDS[role] == "words")
    if role == "edges":
        edges = look_at_edges(first)
        return _Text(first, edges.layout, edges)
    if first.dialect.banner:
        raise DataError(f"{file} is a Matrix Market file, which can be edges alone", fix=f"save {role} as CSV")
    return _Text(first, find_layout(first, _KINDS[role]), None)


def _suffix(file: Path) -> str:
    name = file.name.lower()
    return Path(name.removesuffix(".gz")).suffix if Path(name).suffix == ".gz" else Path(name).suffix


def _arrays(role: str, file: Path) -> Table | dict[str, NDArray[Any]]:
    arrays = read_arrays(file)
    if role == "splits" and file.suffix.lower() == ".npz":
        return arrays
    if role not in arrays and len(arrays) != 1:
        raise DataError(f"{file} holds {', '.join(arrays) or 'nothing'}, but not {role}", fix=f"name the array {role}")
    rows = arrays[role] if role in arrays else next(iter(arrays.values()))
    table = as_table(rows, _KINDS[role], str(file))
    if role == "edges" and len(table.rows) == _PAIR != table.rows.shape[1]:  # as PyG has it: (2, E)
        return Table(rows=table.rows.T, where=lambda edge: f"{file}, column {edge} (from 0)")
    return table


def _columns(opened: _Text | _Parquet) -> FileColumns:
    if isinstance(opened, _Parquet):
        return parquet_columns(opened.table)
    if opened.edges:
        return opened.edges.columns
    width = opened.layout.width - len(opened.layout.empty)
    return FileColumns(
        width, opened.layout.names or _likely_names(opened), spare=opened.layout.doubtful and width > _PAIR
    )


def _likely_names(opened: _Text) -> tuple[str, ...]:
    """The first line of labels or splits, which may be a head: what is typed after --skip will say so."""
    return tuple(opened.peek.first.cells) if opened.layout.doubtful else ()


def _sheet(role: str, opened: _Opened, skipped: dict[str, frozenset[int]]) -> Sheet:
    left_out = skipped.get(role, frozenset())
    if isinstance(opened, _Parquet):
        return parquet_sheet(opened.table, opened.file, _KINDS[role], left_out)
    assert isinstance(opened, _Text)
    first, layout = opened.peek, opened.layout
    if role == "features":
        check_decimals(first)
        check_empty_lines(first, layout)
        words = {place for place in range(layout.width) if place not in layout.numeric}
        words |= {place for place, name in enumerate(layout.names) if may_be_ids(name)}
        sheet = read_numbers(first, layout, frozenset(words - left_out - layout.empty), left_out)
    else:
        check_comments(first, layout)
        sheet = read_words(first, layout, left_out)
    return replace(sheet, notes=text_notes(role, first, layout, slowly_read=bool(sheet.words)))


class _Ends:
    """The ends of edges: read once, and once more as words where ids turn out to be words."""

    def __init__(
        self, opened: _Opened, skipped: frozenset[int], files: dict[str, FileColumns], *, directed: bool
    ) -> None:
        self.notes: list[str] = []
        self._opened = opened
        self._table = opened if isinstance(opened, Table) else None
        self._sheet: Sheet | None = None
        if isinstance(opened, _Text) and opened.edges:
            self._ends = find_text_ends(opened.edges, skipped, files, directed=directed)
            *_, self._sheet = read_text_ends(opened.edges, self._ends)
            read_slowly = bool(self._sheet.words)
            self.notes += text_notes("edges", opened.peek, opened.layout, slowly_read=read_slowly)
        elif isinstance(opened, _Parquet):
            unread = EdgeFile(
                place=str(opened.file),
                names=tuple(opened.table.column_names),
                width=len(opened.table.column_names),
                example=tuple(str(column[0]) for column in opened.table.columns if len(column)),
                counts=lambda _: False,
                separator="columns of Parquet",
            )
            self._ends = find_ends(unread, skipped, files, directed=directed)
            others = frozenset(range(unread.width)) - {self._ends.source, self._ends.target}
            self._sheet = parquet_sheet(opened.table, opened.file, "ids", others)
        if self._sheet:
            self.notes += self._ends.notes

    @property
    def columns(self) -> tuple[Column, ...]:
        """Source and target of every edge, without a first line that may be a head."""
        if self._table is not None:
            return tuple(self._table.rows.T)
        assert self._sheet is not None
        sheet = self._sheet
        if sheet.doubtful and sheet.rows > 1 and (names_ends(list(sheet.doubtful)) or not sheet.words):
            sheet = sheet.head_is(names=True)
        return sheet.column(self._ends.source), sheet.column(self._ends.target)

    @property
    def from_one(self) -> bool:
        """Whether ids count from 1, by the file's own format."""
        return (
            isinstance(self._opened, _Text) and self._opened.edges is not None and self._opened.edges.market is not None
        )

    def numbered_by(self, ids: NodeIds, *, numbered_heads: bool) -> tuple[Table, tuple[str, ...]]:
        """(E, 2) numbers of nodes; they may be out of range where nodes are numbered already."""
        if self._table is not None:
            if not ids.names or self._table.rows.shape[1] != _PAIR:
                return self._table, ()
            columns = [ids.numbers(column, self._table.where) for column in self._table.rows.T]
            return replace(self._table, rows=np.column_stack(columns)), ()
        assert self._sheet is not None
        text = self._opened.edges if isinstance(self._opened, _Text) else None
        if text and text.market:
            table, _ = number_edges(
                self._sheet, self._ends, market_ids(text.market, str(text.peek.file)), numbered_heads=False
            )
            return number_market(table, text.market, ids.count)
        sheet = self._sheet
        if text and ids.are_words and not sheet.words:
            *_, sheet = read_text_ends(text, self._ends, as_words=True)
        return number_edges(sheet, self._ends, ids, numbered_heads=numbered_heads)


def _features(
    opened: _Opened,
    file: Path,
    evidence: Evidence,
    skipped: dict[str, frozenset[int]],
    files: dict[str, FileColumns],
) -> Features:
    if isinstance(opened, Table):
        return Features(opened, numbered(len(opened.rows), str(file)), (), (), numbered_head=False)
    return read_features(_sheet("features", opened, skipped), evidence, files)


def _evidence(ends: _Ends, opened: dict[str, _Opened], sheets: dict[str, Sheet]) -> Evidence:
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
                place for place in sheet.columns if len(sheet.columns) <= _PAIR or names[place] not in INDEX_HEADS
            ]
            column = sheet.column(columns[0])
            if len(columns) == 1 and not isinstance(column, np.ndarray):
                counts.append(possible_counts(column, role, sheet.empty_lines, headed=bool(sheet.names)))
            elif len(columns) == _PAIR:
                headless = sheet.head_is(names=True) if sheet.doubtful else sheet
                places = sorted(columns, key=lambda place: not (bool(names) and may_be_ids(names[place])))
                ids.append(headless.column(places[0]))
    return Evidence(() if ends.from_one else ends.columns, tuple(ids), tuple(counts))
