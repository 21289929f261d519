"""Which row of a features file is the head, which column has the ids of nodes, and which are features."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from picluster.errors import DataError
from picluster.graph.own.heads import INDEX_HEADS, may_be_ids, plain
from picluster.graph.own.node_ids import NodeIds, named, numbered, whole_ids
from picluster.graph.own.sheet import Sheet
from picluster.graph.own.table import Table
from picluster.graph.own.tables.evidence import Evidence
from picluster.graph.own.tables.skipping import FileColumns, skip_option
from picluster.graph.own.words import Words, is_missing, is_number, is_truth

_SURE_IDS = ("node", "nodeid", "id")
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


class _Ids(NamedTuple):
    place: int | None
    """The column of ids."""
    passed_over: tuple[int, ...] = ()
    notes: tuple[str, ...] = ()


def read_features(sheet: Sheet, evidence: Evidence, files: Mapping[str, FileColumns]) -> Features:
    """What a features file means, in the light of the others. DataError where two readings are possible."""
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
    found = _find_ids(sheet, evidence, files)
    ids, order = numbered(sheet.rows, sheet.file), None
    if found.place is not None:
        ids, order = named(sheet.column(found.place), sheet.file, sheet.where)
        notes += _said(sheet, found.place, ids, order)
        sheet = sheet.without((found.place,))
    sheet = sheet.without(found.passed_over)
    sheet = sheet.with_numbers()
    _check_numbers(sheet, files)
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
    """Whether the first row, which is 0, 1, 2 …, names the columns: the number of nodes decides."""
    head, row = evidence.may_be(sheet.rows - 1), evidence.may_be(sheet.rows)
    if words := [column for place, column in sheet.words.items() if place == min(sheet.words)]:
        first = words[0].distinct[words[0].codes[0]]
        called = any(first in column.distinct for column in evidence.ends if isinstance(column, Words))
        head, row = head and not called, row and (called or not evidence.in_words)
    if head and row and evidence.counts_exactly(sheet.rows - 1):
        row = False
    if head == row:
        what = f"{sheet.where(0)} is {_shown(sheet.doubtful)}: names of columns, or a node's features?"
        count = sheet.rows
        fix = (
            f"write names such as a,b above, or no head; the other files do not tell {count - 1:,} nodes from {count:,}"
        )
        raise DataError(what, fix=fix)
    return head


def _find_ids(sheet: Sheet, evidence: Evidence, files: Mapping[str, FileColumns]) -> _Ids:
    """The column that has the ids which edges use, or a name that says so."""
    if len(sheet.columns) == 1:
        return _Ids(None)
    names = {place: sheet.names[place] if sheet.names else None for place in sheet.columns}
    heads = {place: name for place, name in names.items() if name is not None}
    sure = [place for place, name in heads.items() if name in INDEX_HEADS or plain(name) in _SURE_IDS]
    likely = [place for place, name in heads.items() if may_be_ids(name) and place not in sure]
    positions = evidence.are_all_in(numbered(sheet.rows, ""))
    called = [place for place in _distinct(sheet) if _calls(sheet, place, evidence)]
    chosen = [place for place in called if place in (*sure, *likely)]
    if not chosen and not positions:
        chosen = _without_a_name(sheet, evidence, [*sure, *likely], called)
    if len(chosen) > 1 and (owned := [place for place in chosen if names[place] not in INDEX_HEADS]):
        chosen = owned if len(owned) == 1 and not positions else chosen
    if len(chosen) > 1:
        told = " and ".join(sheet.name(place) for place in chosen)
        skips = " or ".join(skip_option("features", place, files) for place in chosen)
        raise DataError(f"{sheet.where(0)} and on: {told} may both be the ids of nodes", fix=f"leave one out: {skips}")
    if chosen:
        rest = tuple(place for place in sheet.columns if place not in chosen and names[place] in INDEX_HEADS)
        notes = [f"features: {sheet.name(place)} numbers the rows, and is passed over" for place in rest]
        return _Ids(chosen[0], rest, (*notes, *_other_ids(sheet, (*chosen, *rest), [*sure, *likely], files)))
    if sure:
        return _Ids(sure[0])
    _refuse_likely(sheet, likely, files)
    return _Ids(None, notes=_counting(sheet, files))


def _other_ids(sheet: Sheet, used: tuple[int, ...], named_so: list[int], files: Mapping[str, FileColumns]) -> list[str]:
    """A note on each column that is read as a feature, but looks like ids."""
    return [
        f"features: {sheet.name(place)} looks like ids; it is read as a feature"
        f" ({skip_option('features', place, files)} leaves it out)"
        for place in _distinct(sheet)
        if place in named_so and place not in used
    ]


def _without_a_name(sheet: Sheet, evidence: Evidence, named_so: list[int], called: list[int]) -> list[int]:
    """The column of ids where edges use some that are no numbers of rows, but no column that is called so has them."""
    distinct = _distinct(sheet)
    if called_so := [place for place in distinct if place in named_so]:
        return called_so
    if not evidence.in_words and evidence.largest() <= sheet.rows:
        return []  # numbered from 1, rather than by a feature that happens to have these values
    return called or [place for place in distinct if place in sheet.words and evidence.in_words]


def _refuse_likely(sheet: Sheet, likely: list[int], files: Mapping[str, FileColumns]) -> None:
    """DataError where a column looks like ids by its name or by counting the rows, but nothing else says so."""
    for place in likely:
        if place in _distinct(sheet) and place in sheet.words:
            what = (
                f"{sheet.where(0)} and on: {sheet.name(place)} looks like the ids of nodes, but edges do not use them"
            )
            raise DataError(
                what, fix=f"use them in edges; or leave the column out: {skip_option('features', place, files)}"
            )
    for place in sheet.columns if not sheet.names else ():
        if _counts_rows(sheet, place):
            counted = f"{sheet.name(place)} has the numbers from 0 to {sheet.rows - 1}"
            what = f"{sheet.where(0)} and on: {counted}: ids of nodes, or a feature?"
            fix = f"write a head above (node for ids), or leave it out: {skip_option('features', place, files)}"
            raise DataError(what, fix=fix)


def _counting(sheet: Sheet, files: Mapping[str, FileColumns]) -> tuple[str, ...]:
    """A note on each column that is read as a feature, but has the numbers of the rows."""
    return tuple(
        f"features: {sheet.name(place)} has the numbers from 0 to {sheet.rows - 1}; it is read as a feature"
        f" ({skip_option('features', place, files)} leaves it out)"
        for place in sheet.columns
        if _counts_rows(sheet, place)
    )


def _counts_rows(sheet: Sheet, place: int) -> bool:
    if sheet.rows < 2:  # noqa: PLR2004 - a single row counts nothing
        return False
    column = sheet.column(place)
    return isinstance(column, np.ndarray) and bool((np.sort(column) == np.arange(sheet.rows)).all())


def _distinct(sheet: Sheet) -> list[int]:
    """The columns of which no two rows have the same, whole numbers or words."""
    found = []
    for place in sheet.columns:
        column = sheet.column(place)
        if isinstance(column, Words):
            alike = len(np.unique(column.codes)) < sheet.rows
        else:
            alike = whole_ids(column[:100]) is None or whole_ids(column) is None or len(np.unique(column)) < sheet.rows
        if not alike:
            found.append(place)
    return found


def _calls(sheet: Sheet, place: int, evidence: Evidence) -> bool:
    try:
        ids, _ = named(sheet.column(place), sheet.file, sheet.where)
    except DataError:
        return False
    return evidence.are_all_in(ids)


def _check_numbers(sheet: Sheet, files: Mapping[str, FileColumns]) -> None:
    """DataError names the first word among features, and how to leave its column out."""
    for place, column in sorted(sheet.words.items()):
        strange = [code for code, word in enumerate(column.distinct) if not (is_number(word) or is_truth(word))]
        rows = np.isin(column.codes, strange)
        row = int(np.argmax(rows)) if rows.any() else 0
        word = column.distinct[column.codes[row]]
        skip = skip_option("features", place, files)
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
    if order is None and sheet.names and plain(sheet.names[place]) in _SURE_IDS:
        return []
    other = ", in another order than the rows" * (order is not None)
    return [f"features: {sheet.name(place)} has the nodes' numbers{other}"]


def _shown(cells: tuple[str, ...]) -> str:
    return ",".join(cells[:3]) + (f",…,{cells[-1]}" if len(cells) > 3 else "")  # noqa: PLR2004
