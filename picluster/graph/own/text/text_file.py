"""Text files whose beginning is known: the number of columns, their names, and which of them hold numbers."""

import re
from itertools import islice, pairwise
from pathlib import Path
from typing import NamedTuple

from picluster.errors import DataError
from picluster.graph.own.column_names import is_value_name, may_be_ids, names_ends
from picluster.graph.own.own_graph import Kind
from picluster.graph.own.text.dialect import Dialect, ambiguous_decimal, find_dialect
from picluster.graph.own.text.records import TextRecord, check_text, comment_lines, read_lines, records
from picluster.graph.own.words import is_missing, is_number, is_truth
from picluster.wording import counted

_SAMPLE_LINES = 1000
"""Number of lines that decide on the dialect, and on which columns hold numbers."""
_OTHER_NUMBER = re.compile(r"[+-]?(0[xX][0-9a-fA-F]+|\d[\d_.,' ]*%?)")
"""Numbers in other writings: 1_000, 0x10, 1.000,5, or digits of another script."""
_SEPARATORS = frozenset("\t;,")


class TextFile(NamedTuple):
    """A text file whose first lines are known, and its columns."""

    file: Path
    dialect: Dialect
    first: TextRecord
    """The first line that is no comment and not empty."""
    sample: list[TextRecord]
    """The records after it that are not empty."""
    whole: bool
    """The file has no other records."""
    width: int = 0
    """Number of columns."""
    names: tuple[str, ...] = ()
    """The first record, where it is surely a head."""
    doubtful: tuple[str, ...] = ()
    """The first record, where it is a row like the others, but may be a head."""
    numeric: frozenset[int] = frozenset()
    """The places of columns that hold numbers in all of the first lines."""
    empty: frozenset[int] = frozenset()
    """The last column, where every line ends in a separator."""
    body_line: int = 0
    """The number of the line with which the rows begin; a doubtful head is a row."""
    comment_names: bool = False
    """The names stand in a comment."""

    def notes(self, role: str, *, slowly_read: bool) -> tuple[str, ...]:
        """A sentence on how the file was read. `slowly_read`: there may be comments between the rows."""
        dialect = self.dialect
        notes = []
        if self.width > 1 and dialect.separator != ",":
            notes.append(f"columns divided by {dialect.separator_name}")
        if dialect.decimal_comma:
            notes.append("decimal commas")
        comments = len(dialect.skipped_comments) + (len(comment_lines(self.file, dialect)) if slowly_read else 0)
        if comments := comments - bool(dialect.banner):
            notes.append(f"{counted(comments, 'comment line')} passed over")
        if self.comment_names:
            notes.append(f"the last comment names the columns: {', '.join(self.names)}")
        if self.empty:
            notes.append("the empty column at the end passed over")
        return (f"{role}: {'; '.join(notes)}",) if notes else ()

    def check_numbers(self) -> None:
        """DataError where commas may be decimal or divide thousands, or a number may be missing on an empty line."""
        cells = [cell for record in (self.first, *self.sample) for cell in record.cells]
        if self.dialect.decimal_comma and ambiguous_decimal(cells):
            where = f"{self.file}, line {self.first.line} and on"
            what = f"{where}: a comma in numbers is a decimal comma, or divides thousands"
            raise DataError(what, fix="write numbers with decimal points, without separators of thousands")
        empty = 0
        for record in records(self.file, self.dialect) if self.width == 1 else ():
            if record.cells and empty > self.first.line:
                what = f"{self.file}, line {empty} is empty: a number is missing, or it means nothing?"
                raise DataError(what, fix="write the number, or delete the line")
            empty = empty if record.cells else record.line

    def check_comments(self) -> None:
        """DataError names a line of labels or splits that may be a comment, or a value which begins with # or %."""
        before = [(0, comment) for comment in self.dialect.skipped_comments]
        for number, line in [*before, *comment_lines(self.file, self.dialect)]:
            cells = self.dialect.cells(line.lstrip("#%")) if '"' not in line else []
            named = all(is_value_name(cell) or may_be_ids(cell) for cell in cells)
            if len(cells) == self.width and not line[1:2].isspace() and not (named and not number):
                where = f"line {number}" if number else "a line at the beginning"
                what = f"{self.file}, {where}: {line!r} is a comment, or a value?"
                raise DataError(what, fix="put the value into quotes; or write a blank after the # of the comment")

    def check_width(self, record: TextRecord) -> None:
        """DataError where a line has more or fewer columns than the others."""
        if (count := len(record.cells)) != self.width:
            what = f"{self.file}, line {record.line} has {counted(count, 'column')} instead of {self.width}"
            raise DataError(what, fix=f"give every line the same columns, separated by {self.dialect.separator_name}")

    def number(self, cell: str) -> str:
        """The cell with a decimal point, where the file has commas."""
        return cell.replace(",", ".") if self.dialect.decimal_comma and cell.count(",") == 1 else cell


def open_text(file: Path, kind: Kind) -> TextFile:
    """Looks at the beginning of a file. DataError where it is no text, or names the first line of another width."""
    check_text(file)
    lines = list(islice(read_lines(file), _SAMPLE_LINES + 1))
    dialect = find_dialect(lines[:_SAMPLE_LINES], ids_first=kind == "words")
    found = list(islice((record for record in records(file, dialect) if record.cells), _SAMPLE_LINES))
    if not found:
        raise DataError(f"{file} has no rows", fix="see docs/datasets.md for what belongs there")
    first, *sample = found
    whole = len(lines) <= _SAMPLE_LINES and len(found) < _SAMPLE_LINES
    cells, body = first.cells, [record.cells for record in sample]
    names: tuple[str, ...] = ()
    trailing = bool(body) and not any(row[-1] for row in body if row)
    text = TextFile(file, dialect, first, sample, whole)
    words = not any(is_number(text.number(cell)) or _SEPARATORS & set(cell) for cell in cells)
    if body and words and all(len(row) == len(cells) + 1 for row in body):
        # R writes no name over the names of rows; a separator at the end of every row but the head's looks the same.
        names = (*cells, "") if trailing else ("", *cells)
    text = text._replace(width=len(names or cells), body_line=first.line)
    for record in [*([] if names else [first]), *sample]:
        text.check_width(record)
    last = text.width - 1
    empty = frozenset([last] if last and trailing and (names or cells)[last] == "" else [])
    text = text._replace(numeric=_numeric(text, body or [cells], kind) - empty, empty=empty)
    if not names and kind != "words" and _is_head(text):
        names = tuple(cells)
    if names:
        return text._replace(names=names, body_line=sample[0].line if sample else first.line + 1)
    if commented := _names_in_comment(text, kind):
        return text._replace(names=commented, comment_names=True)
    figures = [cells[place] for place in sorted(text.numeric)]
    years = len(figures) > 1 and all(map(str.isdecimal, figures))  # consecutive: names of columns, or by chance a row
    if kind == "numbers":
        may_be_head = _counts(figures) or (years and all(int(b) - int(a) == 1 for a, b in pairwise(figures)))
    else:
        may_be_head = kind == "words" or _counts(cells) or not all(map(is_number, cells))
    return text._replace(doubtful=tuple(cells) if may_be_head else ())


def _numeric(text: TextFile, body: list[list[str]], kind: Kind) -> frozenset[int]:
    def is_value(cell: str) -> bool:
        return is_number(text.number(cell)) or (kind == "numbers" and is_truth(cell))

    return frozenset(place for place in range(text.width) if all(is_value(cells[place]) for cells in body))


def _is_head(text: TextFile) -> bool:
    """True where the first record names columns that hold numbers below it. A missing number alone is no name."""
    first = text.first.cells
    if not text.sample:
        return not any(is_number(text.number(cell)) for cell in first) and names_ends(first)
    cells = [first[place] for place in sorted(text.numeric)]
    numbers = [cell for cell in cells if is_number(text.number(cell))]
    names = [cell for cell in cells if cell not in numbers and not (is_missing(cell) or is_truth(cell))]
    if not names:
        return first[0] == "" and 0 in text.numeric and _counts(first[1:])
    counted_on = _counts(numbers) and (len(numbers) > 1 or all(map(may_be_ids, names)))
    others = [cell for cell in names if _OTHER_NUMBER.fullmatch(cell)]
    if (numbers and not counted_on) or others:
        strange = (others or names)[0]
        what = f"{text.file}, line {text.first.line}: {strange!r} is not a number"
        raise DataError(what, fix="correct it; or, if this line names the columns, give each a name that is no number")
    return True


def _counts(cells: list[str]) -> bool:
    """True where these are 0, 1, 2 …, as pandas names columns."""
    return bool(cells) and cells == [str(place) for place in range(len(cells))]


def _names_in_comment(text: TextFile, kind: Kind) -> tuple[str, ...]:
    """The names of an edge list's columns, where the last comment before it has them: SNAP's files do."""
    dialect = text.dialect
    if kind != "ids" or not dialect.skipped_comments or dialect.banner:
        return ()
    comment = dialect.skipped_comments[-1].lstrip("#% \t")
    for separator in (dialect.separator or None, "\t", ",", None):
        names = [name.strip() for name in comment.split(separator)]
        if len(names) == text.width and names_ends(names):
            return tuple(names)
    return ()
