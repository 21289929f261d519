"""The ends of edges, from whatever file they come."""

from dataclasses import replace

import numpy as np

from picluster.graph.own.column_names import names_ends
from picluster.graph.own.node_ids import NodeIds
from picluster.graph.own.sheet import Column, Sheet
from picluster.graph.own.table import Table
from picluster.graph.own.tables.edge_columns import EdgeFile, find_ends
from picluster.graph.own.tables.edge_list import (
    find_text_ends,
    market_ids,
    number_edges,
    number_market,
    read_text_ends,
)
from picluster.graph.own.tables.opening import Opened, ParquetFile, TextFile
from picluster.graph.own.tables.parquet import parquet_sheet
from picluster.graph.own.tables.skipping import FileColumns
from picluster.graph.own.text.notes import text_notes

_PAIR = 2


class EdgeEnds:
    """The ends of edges: read once, and once more as words where ids turn out to be words."""

    def __init__(
        self, opened: Opened, skipped: frozenset[int], files: dict[str, FileColumns], *, directed: bool
    ) -> None:
        self.notes: list[str] = []
        self._opened = opened
        self._table = opened if isinstance(opened, Table) else None
        self._sheet: Sheet | None = None
        if isinstance(opened, TextFile) and opened.edges:
            self._ends = find_text_ends(opened.edges, skipped, files, directed=directed)
            *_, self._sheet = read_text_ends(opened.edges, self._ends)
            read_slowly = bool(self._sheet.words)
            self.notes += text_notes("edges", opened.peek, opened.layout, slowly_read=read_slowly)
        elif isinstance(opened, ParquetFile):
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
            isinstance(self._opened, TextFile)
            and self._opened.edges is not None
            and self._opened.edges.market is not None
        )

    def numbered_by(self, ids: NodeIds, *, numbered_heads: bool) -> tuple[Table, tuple[str, ...]]:
        """(E, 2) numbers of nodes; they may be out of range where nodes are numbered already."""
        if self._table is not None:
            if not ids.names or self._table.rows.shape[1] != _PAIR:
                return self._table, ()
            columns = [ids.numbers(column, self._table.where) for column in self._table.rows.T]
            return replace(self._table, rows=np.column_stack(columns)), ()
        assert self._sheet is not None
        text = self._opened.edges if isinstance(self._opened, TextFile) else None
        if text and text.market:
            table, _ = number_edges(
                self._sheet, self._ends, market_ids(text.market, str(text.peek.file)), numbered_heads=False
            )
            return number_market(table, text.market, ids.count)
        sheet = self._sheet
        if text and ids.are_words and not sheet.words:
            *_, sheet = read_text_ends(text, self._ends, as_words=True)
        return number_edges(sheet, self._ends, ids, numbered_heads=numbered_heads)
