"""Labels or splits from a file's columns: which row is the head, which column has ids, and what empty lines mean."""

from typing import NamedTuple

import numpy as np

from picluster.errors import DataError
from picluster.graph.own.column_names import INDEX_NAMES, is_value_name, may_be_ids
from picluster.graph.own.node_ids import NodeIds
from picluster.graph.own.own_graph import Table
from picluster.graph.own.sheet import Sheet
from picluster.graph.own.splits import is_split
from picluster.graph.own.words import WordColumn, is_missing, is_number, to_words, whole_number
from picluster.wording import counted

_PAIR = 2
_FIRST_NUMBER = "0"
"""The head of a single column that pandas writes where it has no name."""


class NodeValues(NamedTuple):
    """A value for some nodes."""

    table: Table
    notes: tuple[str, ...]
    numbered_head: bool = False
    """The head consists of numbers, as pandas writes it."""


def read_node_values(sheet: Sheet, role: str, ids: NodeIds, *, shuffled: bool, numbered_head: bool) -> NodeValues:
    """Labels or splits (`role`) of a sheet. DataError where columns do not fit, or two readings are possible.

    `shuffled`: features are in another order than their nodes; `numbered_head`: they have a head of numbers.
    """
    notes = list(sheet.notes)
    for place in sheet.columns:
        if sheet.names and sheet.names[place] in INDEX_NAMES and len(sheet.columns) > _PAIR:
            sheet = sheet.without((place,))
            notes.append(f"{role}: {sheet.name(place)} numbers the rows, and is passed over")
    if len(sheet.columns) > _PAIR and sheet.doubtful and sheet.doubtful[sheet.columns[0]] in INDEX_NAMES:
        sheet = sheet.head_is(names=True).without(sheet.columns[:1])
    if len(sheet.columns) > _PAIR or not sheet.columns:
        skips = ", ".join(f"{sheet.name(place)}: {sheet.skip(place)}" for place in sheet.columns)
        what = f"{sheet.where(0)} has {len(sheet.columns)} columns; {role} have one, or two: node, {role[:-1]}"
        raise DataError(what, fix=f"leave out what is neither ({skips})" if skips else "skip fewer columns")
    if len(sheet.columns) == 1:
        if sheet.doubtful:
            sheet = sheet.head_is(names=_one_columns_head(sheet, role, ids, notes))
        read = _one_column(sheet, role, ids, notes, shuffled=shuffled)
    else:
        sheet = _headed_pairs(sheet, role, ids, notes, numbered_head=numbered_head)
        read = _pairs(sheet, role, ids, notes)
    named = [name for name in sheet.names if name]
    return read._replace(numbered_head=bool(named) and all(map(str.isdecimal, named)))


def _one_column(sheet: Sheet, role: str, ids: NodeIds, notes: list[str], *, shuffled: bool) -> NodeValues:
    place = sheet.columns[0]
    if shuffled:
        what = f"{sheet.where(0)} and on: one column is in the order of the nodes, or of the rows of {ids.source}?"
        raise DataError(what, fix=f"give {role} two columns: node, {role[:-1]}")
    words = sheet.words[place]
    if not len(words):
        raise DataError(f"{sheet.file} has no rows", fix="see docs/datasets.md for what belongs there")
    empty = np.array(sheet.empty_lines, np.int64)
    rows = len(words) - len(empty)
    kept = np.setdiff1d(np.arange(len(words)), empty)
    if rows == ids.count or not len(empty):
        values = words.array()
        if len(empty) and empty.min() < rows:
            notes.append(
                f"{role}: {counted(len(empty), 'empty line')} passed over: there is a value for every node without"
            )
        if rows != ids.count:
            what = f"{sheet.where(int(kept[0]))} and on: {rows:,} rows, but the features are of {ids.count:,} nodes"
            said = f" ({'; '.join(notes)})" if notes else ""
            raise DataError(what + said, fix=f"give one row for each node, or two columns: node, {role[:-1]}")
        where = sheet.where
        return NodeValues(Table(rows=values[kept][:, None], where=lambda row: where(int(kept[row]))), tuple(notes))
    inside = int(np.sum(empty < kept.max(initial=-1)))  # the others stand at the end
    if sheet.begins_empty or not rows + inside <= ids.count <= len(words) + (inside > 0):
        what = (
            f"{sheet.where(int(empty[0]))} is empty: {rows:,} values, {len(empty):,} empty lines, {ids.count:,} nodes:"
            " neither with nor without empty lines is there one value for each node"
        )
        raise DataError(what, fix=f"write NA where a node has no value, or give two columns: node, {role[:-1]}")
    values = np.array([*words.array(), ""], object)[: ids.count]
    notes.append(f"{role}: an empty line stands for a node without a value ({counted(ids.count - rows, 'node')})")
    return NodeValues(Table(rows=values[:, None], where=sheet.where), tuple(notes))


def _one_columns_head(sheet: Sheet, role: str, ids: NodeIds, notes: list[str]) -> bool:
    """True where the first row is the head, by the words below it and the number of nodes."""
    word = sheet.doubtful[sheet.columns[0]]
    column = sheet.words[sheet.columns[0]]
    head = head_of_values(column, role)
    filled = len(column) - len(sheet.empty_lines)
    if sheet.begins_empty and sheet.empty_lines and not is_value_name(word):
        what = f"{sheet.file} begins with an empty line: a node without a value, or nothing?"
        raise DataError(what, fix=f"write NA where a node has no value, or give two columns: node, {role[:-1]}")
    fits_head = ids.count == filled - 1 or (bool(sheet.empty_lines) and filled - 1 <= ids.count <= len(column))
    fits_row = ids.count == filled or (bool(sheet.empty_lines) and filled <= ids.count <= len(column) + 1)
    if head is None and is_value_name(word) and ids.count == filled:
        if word in column.rows_from(1).distinct:  # a class of that name
            return False
        what = f"{sheet.where(0)} is {word!r}: the name of the column, or the label of the first node?"
        fix = f"the file has {filled:,} lines for {ids.count:,} nodes: add a head, or the line that is missing"
        raise DataError(what, fix=fix)
    if head is None and fits_head and fits_row and not is_value_name(word):
        what = f"{sheet.where(0)} is {word!r}: a head, or a value? With empty lines both may be"
        raise DataError(what, fix=f"write NA instead of empty lines, or give two columns: node, {role[:-1]}")
    if head is None:
        head = is_value_name(word) or (fits_head and not fits_row)
    if head and not is_value_name(word):
        notes.append(f"{role}: line 1, {word!r}, is read as the head")
    return head


def _headed_pairs(sheet: Sheet, role: str, ids: NodeIds, notes: list[str], *, numbered_head: bool) -> Sheet:
    if sheet.doubtful:
        head = _pairs_head(sheet, ids)
        if not head and sheet.doubtful == ("0", "1"):
            # Pandas names columns 0 and 1: below them values are words that are no numbers.
            others = [word for word in sheet.words[sheet.columns[1]].rows_from(1).distinct if not is_missing(word)]
            head = bool(others) and not any(map(is_number, others))
            if numbered_head and not head:
                what = f"{sheet.where(0)} is 0,1: names of columns, as above the features, or a node and its value?"
                raise DataError(what, fix=f"call the columns node,{role[:-1]}")
            notes += [] if head else [f"{role}: line 1, 0,1, is read as a node and its value"]
        if head and not any(is_value_name(name) or may_be_ids(name) for name in sheet.doubtful):
            notes.append(f"{role}: line 1, {','.join(sheet.doubtful)}, is read as the head")
        sheet = sheet.head_is(names=head)
    return sheet


def _pairs(sheet: Sheet, role: str, ids: NodeIds, notes: list[str]) -> NodeValues:
    if not sheet.rows:
        raise DataError(f"{sheet.file} has no rows", fix="see docs/datasets.md for what belongs there")
    first, second = sheet.columns
    if _second_has_ids(sheet, first, second, ids):
        first, second = second, first
        notes.append(f"{role}: {sheet.name(first)} has the nodes, {sheet.name(second)} the {role}")
    nodes = ids.numbers(sheet.words[first], sheet.where)
    values = sheet.words[second].array()
    return NodeValues(Table(rows=values[:, None], where=sheet.where, nodes=nodes), tuple(notes))


def _pairs_head(sheet: Sheet, ids: NodeIds) -> bool:
    """True where the first row names the columns: none of its cells is a node's id, or it says what columns hold."""
    first, second = (sheet.words[place] for place in sheet.columns)
    cells = [sheet.doubtful[place] for place in sheet.columns]
    called = [ids.knows(to_words([cell])) and bool(cell) for cell in cells]
    if not called[0]:
        rest_called = ids.knows(first.rows_from(1))
        if not called[1] or rest_called or is_value_name(cells[1]) or may_be_ids(cells[0]):
            # A number that is no node, or an unknown id with a label that others have, is an error of its own.
            number = cells[0].lstrip("+-").isdecimal() and not (cells == ["0", "1"] and rest_called)
            return not number and (may_be_ids(cells[0]) or cells[1] not in second.rows_from(1).distinct)
        return False
    again = cells[0] in first.rows_from(1).distinct
    return again and (cells == ["0", "1"] or may_be_ids(cells[0]) or is_value_name(cells[1]))


def _second_has_ids(sheet: Sheet, first: int, second: int, ids: NodeIds) -> bool:
    """True where the ids stand in the second column: by the names, else because only its values are ids, each once."""
    if sheet.names:
        names = sheet.names[first], sheet.names[second]
        if may_be_ids(names[1]) and not may_be_ids(names[0]):
            return True
        if may_be_ids(names[0]) or is_value_name(names[1]):
            return False
    return not _are_ids(sheet.words[first], ids) and _are_ids(sheet.words[second], ids)


def _are_ids(column: WordColumn, ids: NodeIds) -> bool:
    return len(column.distinct) == len(column) and ids.knows(column)


def head_of_values(column: WordColumn, role: str) -> bool | None:
    """True where the first word of labels or splits is the column's name; None where the count of rows must tell."""
    word = column.distinct[column.codes[0]]
    others = column.rows_from(1).distinct
    numbers = [whole_number(other) is not None for other in others if not is_missing(other)]
    if is_missing(word):
        return False
    if word in others and word != _FIRST_NUMBER:  # a class may be called `label`
        return None if is_value_name(word) else False
    if role == "splits":
        return not is_split(word) and not (whole_number(word) is not None and any(numbers))
    if word == _FIRST_NUMBER:
        return True if numbers and not any(numbers) else None
    if whole_number(word) is not None:
        return False
    return True if numbers and all(numbers) else None


def possible_counts(column: WordColumn, role: str, empty_lines: tuple[int, ...], *, headed: bool) -> frozenset[int]:
    """Numbers of nodes that a file with one value for each may be of."""
    head = False if headed else head_of_values(column, role)
    rows = len(column)
    heads = {True: (1,), False: (0,), None: (0, 1)}[head]
    counts = {rows - head for head in heads} | {rows - head - len(empty_lines) for head in heads}
    return frozenset(counts | {count + 1 for count in counts if empty_lines})
