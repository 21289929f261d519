"""Which row of a features file is the head, which column has the ids of nodes, and which are features."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from picluster.errors import DataError
from picluster.graph.own.column_names import plain
from picluster.graph.own.node_ids import NodeIds, named
from picluster.graph.own.own_graph import Table
from picluster.graph.own.sheet import Sheet
from picluster.graph.own.tables.id_column import SURE_IDS, Evidence, find_ids
from picluster.graph.own.words import WordColumn, is_missing, is_number, is_truth

_STRANGE_NUMBERS = {
    "_": "write numbers without underscores",
    "0x": "write numbers with decimal digits",
    ",": "write numbers with a decimal point and without separators of thousands",
    "'": "write numbers without separators of thousands",
    " ": "write numbers without separators of thousands",
}


class Features(NamedTuple):
    """Features, and the nodes that have them."""

    table: Table
    ids: NodeIds
    names: tuple[str, ...]
    """(F,), where columns have names."""
    notes: tuple[str, ...]
    numbered_head: bool
    """The head consists of numbers, as pandas writes it."""


def read_features(sheet: Sheet, evidence: Evidence) -> Features:
    """Reads a features file in the light of the others. DataError where two readings are possible."""
    notes = list(sheet.notes)
    numbered_head = False
    if sheet.doubtful:
        numbered_head = _is_head(sheet, evidence)
        why = "a head" if numbered_head else "a node's features"
        count = sheet.rows - numbered_head
        notes.append(f"features: line 1, {_shown(sheet.doubtful)}, is read as {why}: so there are {count:,} nodes")
        sheet = sheet.head_is(names=numbered_head)
    if not sheet.rows:
        raise DataError(f"{sheet.file} has no rows", fix="give every node a row of features")
    found = find_ids(sheet, evidence)
    ids, order = NodeIds(count=sheet.rows, source=sheet.file), None
    if found.place is not None:
        ids, order = named(sheet.column(found.place), sheet.file, sheet.where)
        notes += _said(sheet, found.place, ids, order)
        sheet = sheet.without((found.place,))
    sheet = sheet.without(found.passed_over).with_numbers()
    _check_numbers(sheet)
    if not sheet.number_columns:
        raise DataError(f"{sheet.where(0)} and on: no column of features is left", fix="give each node at least one")
    if not sheet.names and evidence.counts_exactly(sheet.rows - 1) and evidence.largest() < sheet.rows - 1:
        notes.append(
            f"features: the last of {sheet.rows:,} nodes has no label and no edge: is line 1 a head of numbers?"
        )
    names = tuple(sheet.names[place] for place in sheet.number_columns) if sheet.names else ()
    table = Table(rows=sheet.numbers, where=sheet.where, nodes=order)
    return Features(table, ids, names, (*notes, *found.notes), numbered_head)


def _is_head(sheet: Sheet, evidence: Evidence) -> bool:
    """True where the first row, which is 0, 1, 2 …, names the columns: the number of nodes decides."""
    head, row = evidence.may_be(sheet.rows - 1), evidence.may_be(sheet.rows)
    if words := [column for place, column in sheet.words.items() if place == min(sheet.words)]:
        first = words[0].distinct[words[0].codes[0]]
        called = any(first in column.distinct for column in evidence.ends if isinstance(column, WordColumn))
        head, row = head and not called, row and (called or not evidence.in_words)
    if head and row and evidence.counts_exactly(sheet.rows - 1):
        row = False
    if head and row:
        what = f"{sheet.where(0)} is {_shown(sheet.doubtful)}: names of columns, or a node's features?"
        count = sheet.rows
        fix = (
            f"write names such as a,b above, or no head; the other files do not tell {count - 1:,} nodes from {count:,}"
        )
        raise DataError(what, fix=fix)
    return head


def _check_numbers(sheet: Sheet) -> None:
    """DataError names the first word among features, and how to leave its column out."""
    for place, column in sorted(sheet.words.items()):
        strange = [code for code, word in enumerate(column.distinct) if not (is_number(word) or is_truth(word))]
        row = column.first_row(*strange)
        word = column.distinct[column.codes[row]]
        skip = sheet.skip(place)
        where = f"{sheet.where(row)}, {sheet.name(place)}"
        if is_missing(word):
            what = f"{where}: {repr(word) if word else 'nothing'} instead of a number"
            raise DataError(what, fix=f"fill the gap, such as with 0 or the mean, or leave the column out: {skip}")
        hint = next(
            (fix for mark, fix in _STRANGE_NUMBERS.items() if mark in word and word.strip("+-")[:1].isdigit()), ""
        )
        raise DataError(f"{where}: {word!r} is not a number", fix=hint or f"leave the column of text out: {skip}")


def _said(sheet: Sheet, place: int, ids: NodeIds, order: NDArray[np.int64] | None) -> list[str]:
    if ids.names:
        return [f"features: {sheet.name(place)} has the ids of nodes, which are numbered in this order"]
    if order is None and sheet.names and plain(sheet.names[place]) in SURE_IDS:
        return []
    other = ", in another order than the rows" * (order is not None)
    return [f"features: {sheet.name(place)} has the nodes' numbers{other}"]


def _shown(cells: tuple[str, ...]) -> str:
    return ",".join(cells[:3]) + (f",…,{cells[-1]}" if len(cells) > 3 else "")  # noqa: PLR2004
