"""Which column of a features file has the ids of nodes: by its name, and by what edges use."""

from typing import NamedTuple

import numpy as np

from picluster.errors import DataError
from picluster.graph.own.column_names import INDEX_NAMES, may_be_ids, plain
from picluster.graph.own.node_ids import NodeIds, named, whole_ids
from picluster.graph.own.sheet import Column, Sheet
from picluster.graph.own.words import WordColumn, whole_number

SURE_IDS = ("node", "nodeid", "id")
"""Plain names of columns that hold ids, whatever else speaks against it."""
_FEW_ROWS = 100
_INT64 = 1 << 63


class Evidence(NamedTuple):
    """Evidence of edges, labels and splits on the nodes: how many there may be, and by which ids they are called."""

    ends: tuple[Column, ...]
    """The ends of all edges, without a first line that may be a head."""
    id_columns: tuple[Column, ...] = ()
    """The ids of labels and splits that have some, without a first line that may be a head."""
    counts: tuple[frozenset[int], ...] = ()
    """Numbers of nodes that may be, by every file with one value for each node."""

    @property
    def in_words(self) -> bool:
        """True where edges call nodes by words that are no whole numbers."""
        return any(whole_ids(column) is None for column in self.ends)

    def are_all_in(self, ids: NodeIds) -> bool:
        """True where edges call no node that is not among `ids`."""
        return all(ids.knows(column) for column in self.ends)

    def largest(self) -> int:
        """The largest whole number that calls a node; -1 where there is none."""
        found = [whole for column in (*self.ends, *self.id_columns) if (whole := whole_ids(column)) is not None]
        return max((int(column.max()) for column in found if len(column)), default=-1)

    def counts_exactly(self, nodes: int) -> bool:
        """True where labels or splits have the ids from 0 to `nodes` - 1, every one."""
        found = map(whole_ids, self.id_columns)
        return any(ids is not None and np.array_equal(np.sort(ids), np.arange(nodes)) for ids in found)

    def may_be(self, nodes: int) -> bool:
        """True where there may be so many nodes."""
        return all(nodes in counts for counts in self.counts) and self.largest() < nodes


class IdColumn(NamedTuple):
    """The place of the ids, if they are anywhere."""

    place: int | None
    passed_over: tuple[int, ...] = ()
    """Columns that number the rows."""
    notes: tuple[str, ...] = ()


class _Candidates:
    """The columns of a sheet that may hold ids."""

    def __init__(self, sheet: Sheet) -> None:
        names = {place: sheet.names[place] for place in sheet.columns} if sheet.names else {}
        self.sheet = sheet
        self.index_columns = [place for place, name in names.items() if name in INDEX_NAMES]  # pandas calls them so
        self.sure = [place for place, name in names.items() if place in self.index_columns or plain(name) in SURE_IDS]
        self.likely = [place for place, name in names.items() if may_be_ids(name) and place not in self.sure]
        self.named_so = self.sure + self.likely
        self.distinct = [place for place in sheet.columns if _is_distinct(sheet, place)]

    @property
    def counting(self) -> list[int]:
        """Columns of numbers that are those from 0 to N - 1 or 1 to N, in any order; a single row counts nothing."""
        columns = [(place, self.sheet.column(place)) for place in self.distinct if self.sheet.rows > 1]
        return [
            place
            for place, column in columns
            if not isinstance(column, WordColumn) and column.min() in {0, 1} and np.ptp(column) == self.sheet.rows - 1
        ]

    def note(self, place: int, why: str) -> str:
        """A sentence on a column that is read as a feature, although it may hold ids."""
        skip = f"({self.sheet.skip(place)} leaves it out)"
        return f"features: {self.sheet.name(place)} {why}; it is read as a feature {skip}"


def find_ids(sheet: Sheet, evidence: Evidence) -> IdColumn:
    """The column that has the ids which edges use, or a name that says so. DataError where several may be it."""
    if len(sheet.columns) == 1:
        return IdColumn(None)
    found = _Candidates(sheet)
    positions = evidence.are_all_in(NodeIds(count=sheet.rows, source=""))
    called = [place for place in found.distinct if _calls(sheet, place, evidence)]
    chosen = [place for place in called if place in found.named_so]
    if not chosen and not positions:
        chosen = _without_a_name(found, evidence, called)
    owned = [place for place in chosen if place not in found.index_columns]
    if len(chosen) > 1 and len(owned) == 1 and not positions:
        chosen = owned
    if len(chosen) > 1:
        told = " and ".join(sheet.name(place) for place in chosen)
        skips = " or ".join(sheet.skip(place) for place in chosen)
        raise DataError(f"{sheet.where(0)} and on: {told} may both be the ids of nodes", fix=f"leave one out: {skips}")
    if chosen:
        rest = tuple(place for place in found.index_columns if place not in chosen)
        notes = [f"features: {sheet.name(place)} numbers the rows, and is passed over" for place in rest]
        others = [place for place in found.distinct if place in found.named_so and place not in (*chosen, *rest)]
        return IdColumn(chosen[0], rest, (*notes, *(found.note(place, "looks like ids") for place in others)))
    if found.sure:
        return IdColumn(found.sure[0])
    _refuse_doubtful(found)
    return IdColumn(None, notes=tuple(found.note(place, "has the number of a row in each") for place in found.counting))


def _is_distinct(sheet: Sheet, place: int) -> bool:
    """True where no two rows of a column have the same, and it holds whole numbers or words."""
    column = sheet.column(place)
    if isinstance(column, WordColumn):
        return len(np.unique(column.codes)) == sheet.rows
    few = column[:_FEW_ROWS]  # of a wide table most columns are told by these
    if whole_ids(few) is None or len(np.unique(few)) < len(few):
        return False
    return whole_ids(column) is not None and len(np.unique(column)) == sheet.rows


def _calls(sheet: Sheet, place: int, evidence: Evidence) -> bool:
    """True where edges use the ids of a column and no others."""
    column = sheet.column(place)
    if isinstance(column, WordColumn) and not evidence.in_words and whole_ids(column) is None:
        values = [whole_number(word) for word in column.distinct]  # 007: edges were read as numbers, and are once more
        fits = all(value is not None and abs(value) < _INT64 for value in values)
        column = np.array(values, np.int64)[column.codes] if fits else column
    try:
        ids, _ = named(column, sheet.file, sheet.where)
    except DataError:
        return False
    return evidence.are_all_in(ids)


def _without_a_name(found: _Candidates, evidence: Evidence, called: list[int]) -> list[int]:
    """The column of ids where edges use some that are no numbers of rows, but no column that is called so has them."""
    if called_so := [place for place in found.distinct if place in found.named_so]:
        return called_so
    if not evidence.in_words and evidence.largest() <= found.sheet.rows:
        return []  # numbered from 1, rather than by a feature that happens to have these values
    return called or [place for place in found.distinct if place in found.sheet.words and evidence.in_words]


def _refuse_doubtful(found: _Candidates) -> None:
    """DataError where a column looks like ids by its name or by counting the rows, but nothing else says so."""
    sheet = found.sheet
    for place in found.likely:
        if place in found.distinct and place in sheet.words:
            what = f"{sheet.name(place)} looks like the ids of nodes, but edges do not use them"
            fix = f"use them in edges; or leave the column out: {sheet.skip(place)}"
            raise DataError(f"{sheet.where(0)} and on: {what}", fix=fix)
    if not sheet.names and (place := sheet.columns[0]) in found.counting:  # where ids have no name, they stand first
        what = f"{sheet.name(place)} has the number of a row in each: ids of nodes, or a feature?"
        fix = f"write a head above (node for ids), or leave it out: {sheet.skip(place)}"
        raise DataError(f"{sheet.where(0)} and on: {what}", fix=fix)
