"""What the first lines of a text file tell of its columns: their number, names, and which of them hold numbers."""

import re
from itertools import pairwise
from typing import NamedTuple

from picluster.errors import DataError
from picluster.graph.own.column_names import may_be_ids, names_ends
from picluster.graph.own.table import Kind
from picluster.graph.own.text.records import Peek, TextRecord
from picluster.graph.own.words import is_missing, is_number, is_truth

_OTHER_NUMBER = re.compile(r"[+-]?(0[xX][0-9a-fA-F]+|\d[\d_.,' ]*%?)")
_SEPARATORS = frozenset("\t;,")


class Layout(NamedTuple):
    """The columns of a text file."""

    width: int
    names: tuple[str, ...]
    """The first record, where it is surely a head."""
    doubtful: bool
    """The first record is a row like the others, but may be a head."""
    numeric: frozenset[int]
    """The places of columns that hold numbers in all of the first lines."""
    empty: frozenset[int]
    """The last column, where every line ends in a separator."""
    body_line: int
    """The number of the line with which the rows begin; a doubtful head is a row."""
    comment_names: bool = False
    """The names stand in a comment."""


def find_layout(peek: Peek, kind: Kind) -> Layout:
    """The columns, by the first lines. DataError names the first line of another width."""
    first, body = peek.first.cells, [record.cells for record in peek.sample]
    names: tuple[str, ...] = ()
    words = not any(is_number(number_in(peek, cell)) or _SEPARATORS & set(cell) for cell in first)
    trailing = bool(body) and not any(cells[-1] for cells in body if cells)
    if body and words and all(len(cells) == len(first) + 1 for cells in body):
        # R writes no name over the names of rows; a separator at the end of every row but the head's looks the same.
        names = (*first, "") if trailing else ("", *first)
    width = len(names or first)
    check_widths(peek, [*([] if names else [peek.first]), *peek.sample], width)
    numeric = _numeric(peek, body or [first], width, kind)
    last = width - 1
    empty = frozenset([last] if width > 1 and trailing and (names or first)[last] == "" else [])
    doubtful = False
    if not names:
        sure = kind != "words" and _is_head(peek, numeric - empty)
        names = tuple(first) if sure else ()
        doubtful = not sure and (kind == "words" or _may_be_head(first, numeric - empty, kind))
    commented = () if names else _names_in_comment(peek, width, kind)
    return Layout(
        width=width,
        names=names or commented,
        doubtful=doubtful and not commented,
        numeric=numeric - empty,
        empty=empty,
        body_line=peek.sample[0].line if names and peek.sample else peek.first.line + bool(names),
        comment_names=bool(commented),
    )


def check_widths(peek: Peek, found: list[TextRecord], width: int) -> None:
    """DataError names the first record that has more or fewer cells than `width`."""
    for record in found:
        if len(record.cells) != width:
            raise another_width(peek, record, width)


def another_width(peek: Peek, record: TextRecord, width: int) -> DataError:
    """The error of a line that has more or fewer columns than the others."""
    count = len(record.cells)
    what = f"{peek.file}, line {record.line} has {count} column{'s' * (count != 1)} instead of {width}"
    return DataError(what, fix=f"give every line the same columns, separated by {peek.dialect.separator_name}")


def number_in(peek: Peek, cell: str) -> str:
    """The cell with a decimal point, where the file has commas."""
    return cell.replace(",", ".") if peek.dialect.decimal_comma and cell.count(",") == 1 else cell


def _numeric(peek: Peek, body: list[list[str]], width: int, kind: Kind) -> frozenset[int]:
    def is_value(cell: str) -> bool:
        return is_number(number_in(peek, cell)) or (kind == "numbers" and is_truth(cell))

    return frozenset(place for place in range(width) if all(is_value(cells[place]) for cells in body))


def _is_head(peek: Peek, numeric: frozenset[int]) -> bool:
    """Whether the first record names columns that hold numbers below it. A missing number alone is no name."""
    first = peek.first.cells
    if not peek.sample:
        return not any(is_number(number_in(peek, cell)) for cell in first) and names_ends(first)
    cells = [first[place] for place in sorted(numeric)]
    numbers = [cell for cell in cells if is_number(number_in(peek, cell))]
    names = [cell for cell in cells if cell not in numbers and not (is_missing(cell) or is_truth(cell))]
    if not names:
        return first[0] == "" and 0 in numeric and _counts(first[1:])
    counted = _counts(numbers) and (len(numbers) > 1 or all(map(may_be_ids, names)))
    if (numbers and not counted) or any(map(_looks_like_number, names)):
        strange = next((cell for cell in names if _looks_like_number(cell)), names[0])
        what = f"{peek.file}, line {peek.first.line}: {strange!r} is not a number"
        raise DataError(what, fix="correct it; or, if this line names the columns, give each a name that is no number")
    return True


def _looks_like_number(cell: str) -> bool:
    """Whether a cell is a number in some other writing: 1_000, 0x10, 1.000,5, or digits of another script."""
    return _OTHER_NUMBER.fullmatch(cell) is not None


def _may_be_head(first: list[str], numeric: frozenset[int], kind: Kind) -> bool:
    if kind == "ids":
        return _counts(first) or not all(is_number(cell) for cell in first)
    cells = [first[place] for place in sorted(numeric)]
    return _counts(cells) or (len(cells) > 1 and all(cell.isdecimal() for cell in cells) and _counts_on(cells))


def _counts(cells: list[str]) -> bool:
    """Whether these are 0, 1, 2 …, as pandas names columns."""
    return bool(cells) and cells == [str(place) for place in range(len(cells))]


def _counts_on(cells: list[str]) -> bool:
    """Whether these are consecutive numbers, such as years: names of columns, or by chance a row."""
    return all(int(after) - int(before) == 1 for before, after in pairwise(cells))


def _names_in_comment(peek: Peek, width: int, kind: Kind) -> tuple[str, ...]:
    """The names of an edge list's columns, where the last comment before it has them: SNAP's files do."""
    if kind != "ids" or not peek.dialect.skipped_comments or peek.dialect.banner:
        return ()
    comment = peek.dialect.skipped_comments[-1].lstrip("#% \t")
    for separator in (peek.dialect.separator or None, "\t", ",", None):
        names = [name.strip() for name in comment.split(separator)]
        if len(names) == width and names_ends(names):
            return tuple(names)
    return ()
