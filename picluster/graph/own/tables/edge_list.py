"""Edge lists: the columns of both ends read, the first line judged, ids looked up."""

import re
from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from picluster.errors import DataError
from picluster.graph.own.column_names import names_ends, numbered_stem
from picluster.graph.own.node_ids import NodeIds
from picluster.graph.own.own_graph import Table
from picluster.graph.own.sheet import Column, FileColumns, Sheet
from picluster.graph.own.tables.edge_columns import EdgeColumns, find_ends
from picluster.graph.own.tables.parquet import ParquetFile
from picluster.graph.own.text.columns import read_ids
from picluster.graph.own.text.records import read_lines
from picluster.graph.own.text.text_file import TextFile
from picluster.graph.own.whole.edges import whole
from picluster.graph.own.words import WordColumn, is_number, to_words

_ENDS = 2
_KEY = re.compile(r"""['"]([^'"]+)['"]\s*:""")


class Market(NamedTuple):
    """The banner and sizes of a Matrix Market file."""

    symmetric: bool
    nodes: int
    entries: int


class TextEdges(NamedTuple):
    """An edge list of text, looked at, but not read yet."""

    text: TextFile
    attributes: tuple[str, ...]
    """The names of networkx's attributes."""
    market: Market | None

    @property
    def names(self) -> tuple[str, ...]:
        """The head; also one that is not sure, where it calls the ends by their names."""
        return self.text.names or (self.text.doubtful if names_ends(list(self.text.doubtful)) else ())

    @property
    def columns(self) -> FileColumns:
        """The columns that can be skipped."""
        if self.text.dialect.attributes:
            names = (*["source", "target", *[""] * self.text.width][: self.text.width - 1], *self.attributes)
            return FileColumns(len(names), names, spare=len(names) > _ENDS)
        width = self.text.width - len(self.text.empty)
        return FileColumns(width, self.names, spare=width > _ENDS)

    def described(self) -> EdgeColumns:
        """The columns, with an example of each."""
        sample, dialect = self.text.sample, self.text.dialect
        example = sample[0] if self.names and sample else self.text.first
        cells = example.cells
        if dialect.attributes:
            value = r"""['"]%s['"]\s*:\s*([^,}]*)"""
            found = [re.search(value % re.escape(name), cells[-1]) for name in self.attributes]
            cells = [*cells[:-1], *(match[1].strip() if match else "" for match in found)]
        numbers = [[str(row + start) for row in range(len(sample))] for start in (0, 1, 2)]
        return EdgeColumns(
            place=f"{self.text.file}, line {example.line}",
            names=self.columns.names,
            width=self.columns.width,
            example=tuple(cells),
            counts=lambda place: len(sample) > 1 and [record.cells[place] for record in sample] in numbers,
            separator=dialect.separator_name,
        )

    def check_shape(self) -> None:
        """DataError for a matrix, or two long lines: leaving columns out would make other edges of them."""
        text, width = self.text, self.columns.width
        lines = 1 + len(text.sample)
        if self.names or not text.whole or width <= _ENDS + 1 or not all(map(is_number, text.first.cells)):
            return
        if lines in {_ENDS, width}:
            shape = "a matrix of all nodes" if lines == width else "sources in one line, targets in the other"
            what = f"{text.file}, line {text.first.line} and on: {lines} lines of {width} numbers look like {shape}"
            raise DataError(what, fix="write a line source,target for each edge; or save the array as .npy")


def open_text_edges(text: TextFile) -> TextEdges:
    """DataError where Matrix Market's banner says that this is no graph."""
    market = _market(text) if text.dialect.banner else None
    attributes: dict[str, None] = {}
    for line in read_lines(text.file) if text.dialect.attributes else ():
        attributes |= dict.fromkeys(_KEY.findall(text.dialect.without_attributes(line)[1]))
    return TextEdges(text, tuple(attributes), market)


class EdgeEnds:
    """The ends of edges: read once, and once more as words where ids turn out to be words."""

    def __init__(
        self,
        opened: TextEdges | ParquetFile | Table,
        skipped: frozenset[int],
        skip: Callable[[int], str],
        *,
        directed: bool,
    ) -> None:
        self._text = opened if isinstance(opened, TextEdges) else None
        self._market = self._text.market if self._text else None
        described = _of_array(opened) if isinstance(opened, Table) else opened.described()
        if self._text and not skipped:
            self._text.check_shape()
        self._ends = find_ends(described, skipped, skip, directed=directed)
        places = self._places = (self._ends.source, self._ends.target)
        self.notes: list[str] = []
        if isinstance(opened, TextEdges):
            self._sheet = read_ids(opened.text, places)
            self.notes += opened.text.notes("edges", slowly_read=bool(self._sheet.words))
        elif isinstance(opened, ParquetFile):
            self._sheet = opened.sheet("ids", frozenset(range(described.width)) - set(places))
        else:
            rows = opened.rows if described.width == _ENDS else opened.rows[:, list(places)]
            file = opened.where(0).partition(",")[0]
            numbers = whole(rows, file)
            self._sheet = Sheet(
                file=file, width=described.width, numbers=numbers, number_columns=places, where=opened.where
            )
        self.notes += self._ends.notes

    @property
    def columns(self) -> tuple[Column, ...]:
        """Source and target of every edge, without a first line that may be a head; none where ids count from 1."""
        if self._market:
            return ()
        sheet = self._sheet
        if sheet.doubtful and sheet.rows > 1 and (names_ends(list(sheet.doubtful)) or not sheet.words):
            sheet = sheet.head_is(names=True)
        return tuple(map(sheet.column, self._places))

    def numbered_by(self, ids: NodeIds, *, numbered_heads: bool) -> tuple[Table, tuple[str, ...]]:
        """(E, 2) numbers of nodes; they may be out of range where nodes are numbered already.

        DataError for what is no node, or a first line of two readings.
        """
        sheet = self._sheet
        if self._market:
            entries = self._numbers(sheet, NodeIds(count=0, source=sheet.file))
            return _market_edges(entries, self._market, ids.count)
        if self._text and ids.by_word and not sheet.words:
            sheet = read_ids(self._text.text, self._places, as_words=True)
        if not sheet.doubtful:
            return self._numbers(sheet, ids), ()
        head = self._is_head(sheet, ids, numbered_heads=numbered_heads)
        first = ",".join(sheet.doubtful)
        if not head and self._ends.source > self._ends.target:
            what = f"{sheet.where(0)} is {first}: names of columns, target first, or an edge?"
            raise DataError(what, fix="write source,target above the edges")
        notes = (f"edges: line 1, {first}, is read as {'the head' if head else 'an edge'}",)
        return self._numbers(sheet.head_is(names=head), ids), notes

    def _numbers(self, sheet: Sheet, ids: NodeIds) -> Table:
        if not sheet.rows:
            raise DataError(f"{sheet.file} has no rows", fix="see docs/datasets.md for what belongs there")
        if sheet.number_columns == (self._ends.source, self._ends.target) and not ids.names:
            return Table(rows=sheet.numbers, where=sheet.where)  # no copy: there may be 10^8 of them
        ends = [ids.numbers(sheet.column(place), sheet.where) for place in self._places]
        return Table(rows=np.column_stack(ends), where=sheet.where)

    def _is_head(self, sheet: Sheet, ids: NodeIds, *, numbered_heads: bool) -> bool:
        """True where the first line of an edge list, which could be an edge, names the columns."""
        cells = [sheet.doubtful[place] for place in self._places]
        if not all(is_number(cell) for cell in sheet.doubtful):
            known = [ids.knows(to_words([cell])) for cell in cells]
            stem = numbered_stem(cells)  # where nodes are called so, too, these may be two that are missing
            named = names_ends(cells) and not (stem and any(name.startswith(stem) for name in ids.names))
            if not any(known) and not named:
                what = f"{sheet.where(0)}: neither {cells[0]!r} nor {cells[1]!r} is a node, or the name of a column"
                raise DataError(what, fix="call the columns source and target, or correct the ids")
            return not all(known) and named
        if not all(ids.knows(to_words([cell])) for cell in cells):
            return cells == ["0", "1"] and ids.sorted_ids is not None
        if not numbered_heads:
            return False
        source, target = map(sheet.column, self._places)
        if isinstance(source, WordColumn) or isinstance(target, WordColumn):
            return False
        if not ((source[1:] == source[0]) & (target[1:] == target[0])).any():
            first = ",".join(sheet.doubtful)
            what = f"{sheet.where(0)} is {first}: names of columns, as above the features, or an edge?"
            raise DataError(what, fix="call the columns source,target; or write the features without a head of numbers")
        return True


def _of_array(table: Table) -> EdgeColumns:
    example = tuple(f"{value:g}" for value in table.rows[0].tolist())
    width = table.rows.shape[1]
    return EdgeColumns(place=table.where(0), names=(), width=width, example=example, separator="columns of an array")


def _market_edges(table: Table, market: Market, nodes: int) -> tuple[Table, tuple[str, ...]]:
    """Edges by entries, which count from 1; a symmetric file has one half of them. DataError where sizes do not fit."""
    if market.nodes != nodes:
        what = f"{table.where(0)} and on: a matrix of {market.nodes:,} rows, but the features are of {nodes:,} nodes"
        raise DataError(what, fix="give a row of features for each row of the matrix")
    if market.entries != len(table.rows):
        what = f"{table.where(0)} and on: {len(table.rows):,} entries, but the sizes above say {market.entries:,}"
        raise DataError(what, fix="save it again: lines are missing, or too many")
    rows = table.rows - 1
    if market.symmetric:
        mirrored = rows[rows[:, 0] != rows[:, 1], ::-1]
        where, entries = table.where, np.flatnonzero(rows[:, 0] != rows[:, 1])
        count = len(rows)
        rows = np.concatenate([rows, mirrored])
        table = replace(table, where=lambda row: where(row if row < count else int(entries[row - count])))
    half = "; each entry of the half stands for both directions" if market.symmetric else ""
    return replace(table, rows=rows), (f"edges: a Matrix Market file: from row to column, numbered from 1{half}",)


def _market(text: TextFile) -> Market:
    words = text.dialect.banner.lower().split()
    kind, layout, _, symmetry = (words[1:] + [""] * 4)[:4]
    sizes = text.dialect.sizes
    where = f"{text.file}, line 1"
    if kind != "matrix" or layout != "coordinate" or symmetry not in {"general", "symmetric"}:
        what = f"{where}: {text.dialect.banner}: this is no list of edges"
        raise DataError(what, fix="save the adjacency matrix as: matrix coordinate pattern general")
    if len(sizes) != 3 or sizes[0] != sizes[1]:  # noqa: PLR2004
        what = f"{text.file}, line {text.dialect.skipped_lines}: the sizes are {' '.join(map(str, sizes))}"
        raise DataError(what, fix="an adjacency matrix has as many rows as columns: write ROWS COLUMNS ENTRIES")
    return Market(symmetry == "symmetric", sizes[0], sizes[2])
