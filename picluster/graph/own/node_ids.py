"""The ids by which a person's files name nodes, and the numbers from 0 that they get."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from picluster.errors import DataError
from picluster.graph.own.own_graph import Table
from picluster.graph.own.sheet import Column
from picluster.graph.own.words import WordColumn, plain_number, to_words, whole_number, words_of

_NUMBERED = "number the nodes from 0 to N - 1, and give a row of features for each; or give features a column of ids"
_FROM_ONE = "nodes are numbered from 0: subtract 1 from every id, or give features a column of ids from 1 on"
_INT64 = np.iinfo(np.int64)
_CHUNK_ROWS = 1 << 21


@dataclass(frozen=True, kw_only=True)
class NodeIds:
    """Nodes that are numbered already, or that a column of ids names."""

    count: int
    source: str
    """Name of the file that has a row for each node, for messages."""
    names: tuple[str, ...] = ()
    """(N,) in the order of their numbers; none where nodes are numbered already."""
    by_word: Mapping[str, int] = field(default_factory=dict)
    """The number of each id, where ids are words, compared letter by letter: 007 is not 7."""
    sorted_ids: NDArray[np.int64] | None = None
    """(N,) ascending, where ids are whole numbers, but not those from 0 to N - 1."""
    order: NDArray[np.int64] | None = None
    """(N,) the node of each of `sorted_ids`."""

    def numbers(self, column: Column, where: Callable[[int], str]) -> NDArray[np.int64]:
        """(rows,) the node of each row. DataError names the first that is no node's id.

        Where nodes are numbered already, they may be out of range.
        """
        if isinstance(column, WordColumn):
            return self._numbers_of_words(column, where)
        whole = _whole(column, where)
        if self.by_word:
            return self._numbers_of_words(words_of(whole), where)
        if self.sorted_ids is None:
            return whole
        numbers = np.empty(len(whole), np.int64)
        for start in range(0, len(whole), _CHUNK_ROWS):
            chunk = whole[start : start + _CHUNK_ROWS]
            places = np.minimum(np.searchsorted(self.sorted_ids, chunk), self.count - 1)
            if len(strange := np.flatnonzero(np.not_equal(self.sorted_ids[places], chunk))):
                raise self._unknown(where(start + int(strange[0])), str(chunk[strange[0]]))
            assert self.order is not None
            numbers[start : start + _CHUNK_ROWS] = self.order[places]
        return numbers

    def knows(self, column: Column) -> bool:
        """True where every value of a column is the id of a node."""
        try:
            numbers = self.numbers(column, lambda _: "")
        except DataError:
            return False
        return not len(numbers) or bool(numbers.min() >= 0 and numbers.max() < self.count)

    def _numbers_of_words(self, column: WordColumn, where: Callable[[int], str]) -> NDArray[np.int64]:
        known = [self._number(word) for word in column.distinct]
        if strange := [place for place, number in enumerate(known) if isinstance(number, str)]:
            row = column.first_row(*strange)
            word, why = column.distinct[column.codes[row]], str(known[column.codes[row]])
            raise _no_id(where(row), word, why) if why else self._unknown(where(row), word)
        return np.array(known, np.int64)[column.codes]

    def _number(self, word: str) -> int | str:
        """The node, or why it cannot be one; nothing where it is unknown."""
        if self.by_word:
            return self.by_word.get(word, "")
        value = whole_number(word)
        if value is None:
            return "is empty, not a node's id" if not word else "is not a whole number"
        if not _INT64.min <= value <= _INT64.max:
            return "is too large for a node's number"
        if self.sorted_ids is None or self.order is None:
            return value
        place = min(int(np.searchsorted(self.sorted_ids, value)), self.count - 1)
        return int(self.order[place]) if self.sorted_ids[place] == value else ""

    def _unknown(self, where: str, word: str) -> DataError:
        what = f"{where}: there is no node {word}: none of the {self.count:,} ids in {self.source} is this"
        return DataError(what, fix="correct it, or give the node a row of features")


def named(column: Column, source: str, where: Callable[[int], str]) -> tuple[NodeIds, NDArray[np.int64] | None]:
    """Nodes by a column of their ids, and the node of each row where rows are not in the order of nodes.

    Whole numbers from 0 to N - 1 are the nodes' numbers; any other ids number nodes by their rows. DataError where one
    is missing or twice there.
    """
    ids = whole_ids(column)
    _check_distinct(column if ids is None else ids, where)
    count = len(column)
    if ids is None and not isinstance(column, WordColumn):  # such as a column of Parquet with a gap
        row = int(np.argmax(~(np.isfinite(column) & (column == np.rint(column)) & (abs(column) < 1 << 53))))
        raise _no_id(where(row), f"{column[row]:g}", "is no whole number below 2^53")
    if ids is None:
        assert isinstance(column, WordColumn)
        names = tuple(map(str, column.array().tolist()))
        return NodeIds(count=count, source=source, names=names, by_word={n: row for row, n in enumerate(names)}), None
    if count and ids.min() == 0 and ids.max() == count - 1:
        return NodeIds(count=count, source=source), None if (ids == np.arange(count)).all() else ids
    order = np.argsort(ids, kind="stable")
    names = tuple(map(str, ids.tolist()))
    return NodeIds(count=count, source=source, names=names, sorted_ids=ids[order], order=order), None


def whole_ids(column: Column) -> NDArray[np.int64] | None:
    """The column as whole numbers; None where they are none, or where digits matter, as in 007."""
    if not isinstance(column, WordColumn):
        whole = column.dtype.kind in "iu" or bool(
            np.isfinite(column).all() and (column == np.rint(column)).all() and (abs(column) < 1 << 53).all()
        )
        return column.astype(np.int64, copy=False) if whole else None
    values = [plain_number(word) for word in column.distinct]
    if not all(value is not None and _INT64.min <= value <= _INT64.max for value in values):
        return None
    return np.array(values, np.int64)[column.codes]


def _check_distinct(ids: Column, where: Callable[[int], str]) -> None:
    codes = ids.codes if isinstance(ids, WordColumn) else ids
    if isinstance(ids, WordColumn) and "" in ids.distinct:
        where_empty = where(ids.first_row(ids.distinct.index("")))
        raise DataError(f"{where_empty}: the node has no id", fix="give each node an id of its own")
    first = np.unique(codes, return_index=True)[1]
    if len(first) < len(codes):
        row = int(np.setdiff1d(np.arange(len(codes)), first)[0])
        word = ids.distinct[ids.codes[row]] if isinstance(ids, WordColumn) else ids[row]
        raise DataError(f"{where(row)}: node {word} was there before", fix="give each node one row")


def _whole(column: NDArray[Any], where: Callable[[int], str]) -> NDArray[np.int64]:
    if column.dtype.kind in "iu":
        return column.astype(np.int64, copy=False)
    if len(bad := np.flatnonzero(~(np.isfinite(column) & (column == np.rint(column))))):
        raise _no_id(where(int(bad[0])), f"{column[bad[0]]:g}", "is not a whole number")
    if len(bad := np.flatnonzero(abs(column) >= _INT64.max)):
        raise _no_id(where(int(bad[0])), f"{column[bad[0]]:g}", "is too large for a node's number")
    return column.astype(np.int64)


def _no_id(where: str, word: str, why: str) -> DataError:
    fix = "number the nodes from 0 to N - 1, or give features a column of ids"
    return DataError(f"{where}: {word!r} {why}" if word else f"{where}: a cell {why}", fix=fix)


def check_ids(table: Table, ids: NDArray[Any], nodes: int, *, once: bool = False) -> None:
    """DataError names the first row of `ids` (rows, columns) with an id out of range, or there before with `once`."""
    for start in range(0, len(ids), _CHUNK_ROWS):
        chunk = ids[start : start + _CHUNK_ROWS]
        if not 0 <= chunk.min() <= chunk.max() < nodes:
            row, column = np.argwhere((chunk < 0) | (chunk >= nodes))[0]
            what = f"there is no node {chunk[row, column]}: the features are of {nodes:,}, from 0 to {nodes - 1}"
            from_one = ids.min() == 1 and ids.max() == nodes
            hint = f"; 0 never occurs, and {nodes} does: ids seem to begin with 1" if from_one else ""
            raise DataError(f"{table.where(start + int(row))}: {what}{hint}", fix=_FROM_ONE if from_one else _NUMBERED)
    if once and len(first := np.unique(ids, return_index=True)[1]) < len(ids):
        row = int(np.setdiff1d(np.arange(len(ids)), first)[0])
        raise DataError(f"{table.where(row)}: node {ids[row, 0]} was there before", fix="give each node one row")


def nodes_of(table: Table, nodes: int) -> tuple[NDArray[np.int64], NDArray[Any]]:
    """(M,) node numbers and (M,) values of a table: values alone, or with nodes beside them or in the first column.

    DataError where something does not fit.
    """
    rows, columns = table.rows.shape
    if table.nodes is not None:
        check_ids(table, table.nodes[:, None], nodes, once=True)
        return table.nodes, table.rows[:, 0]
    if columns == 1:
        if rows != nodes:
            what = f"{table.where(0)} and on: {rows:,} rows, but the features are of {nodes:,} nodes"
            raise DataError(what, fix="give one row for each node, or two columns: node, value")
        return np.arange(nodes), table.rows[:, 0]
    if columns != 2:  # noqa: PLR2004
        raise DataError(f"{table.where(0)} has {columns} columns", fix="give one, or two: node, value")
    first = table.rows[:, 0]
    ids = NodeIds(count=nodes, source="features").numbers(
        to_words(map(str, first)) if first.dtype.kind in "US" else first, table.where
    )
    check_ids(table, ids[:, None], nodes, once=True)
    return ids, table.rows[:, 1]
