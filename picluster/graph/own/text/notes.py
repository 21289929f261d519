"""How a text file was read, in sentences, and what in it may be read in two ways."""

from picluster.errors import DataError
from picluster.graph.own.column_names import is_value_name, may_be_ids
from picluster.graph.own.text.dialect import ambiguous_decimal
from picluster.graph.own.text.layout import Layout
from picluster.graph.own.text.records import Peek, comment_lines, records


def text_notes(role: str, peek: Peek, layout: Layout, *, slowly_read: bool) -> tuple[str, ...]:
    """What was recognised. `slowly_read`: there may be comments between the rows."""
    dialect = peek.dialect
    notes = []
    if layout.width > 1 and dialect.separator != ",":
        notes.append(f"columns divided by {dialect.separator_name}")
    if dialect.decimal_comma:
        notes.append("decimal commas")
    comments = len(dialect.skipped_comments) + (len(comment_lines(peek.file, dialect)) if slowly_read else 0)
    if comments := comments - bool(dialect.banner):
        notes.append(f"{comments:,} comment line{'s' * (comments != 1)} passed over")
    if layout.comment_names:
        notes.append(f"the last comment names the columns: {', '.join(layout.names)}")
    if layout.empty:
        notes.append("the empty column at the end passed over")
    return (f"{role}: {'; '.join(notes)}",) if notes else ()


def check_decimals(peek: Peek) -> None:
    """DataError where commas in numbers may be decimal commas or divide thousands."""
    cells = [cell for record in (peek.first, *peek.sample) for cell in record.cells]
    if peek.dialect.decimal_comma and ambiguous_decimal(cells):
        what = (
            f"{peek.file}, line {peek.first.line} and on: a comma in numbers is a decimal comma, or divides thousands"
        )
        raise DataError(what, fix="write numbers with decimal points, without separators of thousands")


def check_empty_lines(peek: Peek, layout: Layout) -> None:
    """DataError names an empty line between numbers of a single column: one may be missing there."""
    if layout.width > 1:
        return
    empty = 0
    for record in records(peek.file, peek.dialect):
        if record.cells and empty > peek.first.line:
            what = f"{peek.file}, line {empty} is empty: a number is missing, or it means nothing?"
            raise DataError(what, fix="write the number, or delete the line")
        empty = empty if record.cells else record.line


def check_comments(peek: Peek, layout: Layout) -> None:
    """DataError names a line of labels or splits that may be a comment, or a value which begins with # or %."""
    before = [(0, comment) for comment in peek.dialect.skipped_comments]
    for number, line in [*before, *comment_lines(peek.file, peek.dialect)]:
        cells = peek.dialect.cells(line.lstrip("#%")) if '"' not in line else []
        named = all(is_value_name(cell) or may_be_ids(cell) for cell in cells)
        if len(cells) == layout.width and not line[1:2].isspace() and not (named and not number):
            where = f"line {number}" if number else "a line at the beginning"
            what = f"{peek.file}, {where}: {line!r} is a comment, or a value?"
            raise DataError(what, fix="put the value into quotes; or write a blank after the # of the comment")
