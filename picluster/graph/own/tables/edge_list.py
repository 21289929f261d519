"""The edges of a text file or a sheet: ends found, first line judged, ids looked up."""

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from picluster.errors import DataError
from picluster.graph.own.column_names import names_ends, numbered_stem
from picluster.graph.own.node_ids import NodeIds, numbered
from picluster.graph.own.sheet import Column, Sheet
from picluster.graph.own.table import Table
from picluster.graph.own.tables.edge_columns import EdgeFile, Ends, find_ends
from picluster.graph.own.tables.skipping import FileColumns
from picluster.graph.own.text.columns import read_ids
from picluster.graph.own.text.layout import Layout, find_layout
from picluster.graph.own.text.records import Peek
from picluster.graph.own.text.source import read_lines
from picluster.graph.own.words import WordColumn, is_number, to_words

_ENDS = 2
_KEY = re.compile(r"""['"]([^'"]+)['"]\s*:""")


class Market(NamedTuple):
    """What Matrix Market's banner says."""

    symmetric: bool
    nodes: int
    entries: int


class TextEdges(NamedTuple):
    """An edge list of text, looked at, but not read yet."""

    peek: Peek
    layout: Layout
    attributes: tuple[str, ...]
    """The names of networkx's attributes."""
    market: Market | None

    @property
    def names(self) -> tuple[str, ...]:
        """The head; also one that is not sure, where it calls the ends by their names."""
        first = tuple(self.peek.first.cells)
        return self.layout.names or (first if self.layout.doubtful and names_ends(list(first)) else ())

    @property
    def columns(self) -> FileColumns:
        """What can be skipped."""
        if self.peek.dialect.attributes:
            names = (*["source", "target", *[""] * self.layout.width][: self.layout.width - 1], *self.attributes)
            return FileColumns(len(names), names, spare=len(names) > _ENDS)
        width = self.layout.width - len(self.layout.empty)
        return FileColumns(width, self.names, spare=width > _ENDS)


def look_at_edges(peek: Peek) -> TextEdges:
    """DataError where the lines differ in width, or Matrix Market's banner says that this is no graph."""
    market = _market(peek) if peek.dialect.banner else None
    layout = find_layout(peek, "ids")
    attributes: dict[str, None] = {}
    if peek.dialect.attributes:
        for line in read_lines(peek.file):
            tail = peek.dialect.without_attributes(line)[1]
            attributes |= dict.fromkeys(_KEY.findall(tail) if tail != "{}" else ())
    return TextEdges(peek, layout, tuple(attributes), market)


def find_text_ends(
    edges: TextEdges, skipped: frozenset[int], files: Mapping[str, FileColumns], *, directed: bool
) -> Ends:
    """The columns of source and target. DataError for weights and others that were not left out."""
    _check_shape(edges, skipped)
    example = edges.peek.sample[0] if edges.names and edges.peek.sample else edges.peek.first
    cells = example.cells
    if edges.peek.dialect.attributes:
        cells = [*cells[:-1], *_example_values(cells[-1], edges.attributes)]
    records = [record.cells for record in edges.peek.sample]
    file = EdgeFile(
        place=f"{edges.peek.file}, line {example.line}",
        names=edges.columns.names,
        width=edges.columns.width,
        example=tuple(cells),
        counts=lambda place: (
            len(records) > 1
            and [cells[place] for cells in records]
            in [[str(n + start) for n in range(len(records))] for start in (0, 1, 2)]
        ),
        separator=edges.peek.dialect.separator_name,
    )
    return find_ends(file, skipped, files, directed=directed)


def read_text_ends(edges: TextEdges, ends: Ends, *, as_words: bool = False) -> tuple[Column, Column, Sheet]:
    """Source and target of every row."""
    sheet = read_ids(edges.peek, edges.layout, (ends.source, ends.target), as_words=as_words)
    return sheet.column(ends.source), sheet.column(ends.target), sheet


def number_edges(sheet: Sheet, ends: Ends, ids: NodeIds, *, numbered_heads: bool) -> tuple[Table, tuple[str, ...]]:
    """(E, 2) source and target as numbers of nodes. DataError for what is no node, or a first line of two readings."""
    notes: tuple[str, ...] = ()
    if sheet.doubtful:
        notes = (f"edges: line 1, {','.join(sheet.doubtful)}, is read as an edge",)
        head = _is_head(sheet, ends, ids, numbered_heads=numbered_heads)
        if head:
            notes = (f"edges: line 1, {','.join(sheet.doubtful)}, is read as the head",)
        if not head and ends.source > ends.target:
            what = f"{sheet.where(0)} is {','.join(sheet.doubtful)}: names of columns, target first, or an edge?"
            raise DataError(what, fix="write source,target above the edges")
        sheet = sheet.head_is(names=head)
    if not sheet.rows:
        raise DataError(f"{sheet.file} has no rows", fix="see docs/datasets.md for what belongs there")
    sources = ids.numbers(sheet.column(ends.source), sheet.where)
    targets = ids.numbers(sheet.column(ends.target), sheet.where)
    return Table(rows=np.column_stack([sources, targets]), where=sheet.where), notes


def number_market(table: Table, market: Market, nodes: int) -> tuple[Table, tuple[str, ...]]:
    """Matrix Market's entries as edges: row and column count from 1; a symmetric file has one half of the matrix.

    DataError where sizes do not fit.
    """
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


def _check_shape(edges: TextEdges, skipped: frozenset[int]) -> None:
    """DataError for a matrix, or two long lines: leaving columns out would make other edges of them."""
    lines, width = 1 + len(edges.peek.sample), edges.columns.width
    cells = edges.peek.first.cells
    if edges.names or skipped or not edges.peek.whole or width <= _ENDS + 1 or not all(map(is_number, cells)):
        return
    if lines not in {_ENDS, width}:
        return
    shape = "a matrix of all nodes" if lines == width else "sources in one line, targets in the other"
    what = f"{edges.peek.file}, line {edges.peek.first.line} and on: {lines} lines of {width} numbers look like {shape}"
    raise DataError(what, fix="write a line source,target for each edge; or save the array as .npy")


def _is_head(sheet: Sheet, ends: Ends, ids: NodeIds, *, numbered_heads: bool) -> bool:
    """Whether the first line of an edge list, which could be an edge, names the columns."""
    cells = [sheet.doubtful[ends.source], sheet.doubtful[ends.target]]
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
    source, target = (sheet.column(place) for place in (ends.source, ends.target))
    if isinstance(source, WordColumn) or isinstance(target, WordColumn):
        return False
    pairs = (source[1:], target[1:])
    again = (pairs[0] == source[0]) & (pairs[1] == target[0])
    if not again.any():
        what = f"{sheet.where(0)} is {','.join(sheet.doubtful)}: names of columns, as above the features, or an edge?"
        raise DataError(what, fix="call the columns source,target; or write the features without a head of numbers")
    return True


def _example_values(text: str, names: tuple[str, ...]) -> list[str]:
    found = {name: re.search(rf"""['"]{re.escape(name)}['"]\s*:\s*([^,}}]*)""", text) for name in names}
    return [match[1].strip() if match else "" for match in found.values()]


def _market(peek: Peek) -> Market:
    words = peek.dialect.banner.lower().split()
    kind, layout, _, symmetry = (words[1:] + [""] * 4)[:4]
    sizes = peek.dialect.sizes
    where = f"{peek.file}, line 1"
    if kind != "matrix" or layout != "coordinate" or symmetry not in {"general", "symmetric"}:
        what = f"{where}: {peek.dialect.banner}: this is no list of edges"
        raise DataError(what, fix="save the adjacency matrix as: matrix coordinate pattern general")
    if len(sizes) != 3 or sizes[0] != sizes[1]:  # noqa: PLR2004
        what = f"{peek.file}, line {peek.dialect.skipped_lines}: the sizes are {' '.join(map(str, sizes))}"
        raise DataError(what, fix="an adjacency matrix has as many rows as columns: write ROWS COLUMNS ENTRIES")
    return Market(symmetry == "symmetric", sizes[0], sizes[2])


def market_ids(market: Market, source: str) -> NodeIds:
    """The numbers that stand in the file: from 1."""
    return numbered(market.nodes + 1, source)
