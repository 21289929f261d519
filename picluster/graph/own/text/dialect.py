"""The dialect of a text file: separator, comments, Matrix Market's banner, networkx's attributes."""

import csv
import re
from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple

_COMMENTS = ("#", "%")
BANNER = "%%MatrixMarket"
_SEPARATORS = {"\t": "tabs", ";": "semicolons", ",": "commas", "": "blanks"}
_ATTRIBUTES = re.compile(r"[\s,;]*(\{.*\})\s*$")
_BLANKS = re.compile(r""""(?:[^"]|"")*"|\S+""")
"""Cells between blanks, and those in quotes."""
_DECIMAL_COMMA = re.compile(r"[+-]?[0-9]+,[0-9]+([eE][+-]?[0-9]+)?", re.ASCII)
_SAID_SEPARATOR = re.compile(r'"?sep=([\t;,])"?\s*$')
"""A first line for Excel."""
_THOUSANDS = re.compile(r"[+-]?[1-9][0-9]{0,2},[0-9]{3}", re.ASCII)


class Dialect(NamedTuple):
    """Rules by which lines become cells."""

    separator: str = ","
    """Empty where blanks of any number divide cells."""
    skipped_lines: int = 0
    """Lines before the first record: comments, banner, sizes, empty ones."""
    skipped_comments: tuple[str, ...] = ()
    """The comments among these lines."""
    attributes: bool = False
    """Every line ends in a Python dict, as networkx writes edges."""
    decimal_comma: bool = False
    banner: str = ""
    """Matrix Market's first line."""
    sizes: tuple[int, ...] = ()
    """Rows, columns, entries of a Matrix Market file."""

    @property
    def separator_name(self) -> str:
        """The separator in words."""
        return _SEPARATORS[self.separator]

    def cells(self, line: str) -> list[str]:
        """The cells of one line that no quote leads beyond; none where it is empty. csv.Error for a stray quote."""
        line, attributes = self.without_attributes(line)
        if not self.separator:
            line = " ".join(_BLANKS.findall(line))
        cells = next(csv.reader([line.rstrip("\r\n")], delimiter=self.separator or " ", strict=True), [])
        return [cell.strip() for cell in ([*cells, attributes] if self.attributes else cells)]

    def without_attributes(self, line: str) -> tuple[str, str]:
        """The line without networkx's dict at its end, and that dict."""
        found = _ATTRIBUTES.search(line) if self.attributes else None
        return (line[: found.start()], found[1]) if found else (line, "")


def find_dialect(lines: list[str], *, ids_first: bool) -> Dialect:
    """The dialect of a file by its first lines. `ids_first`: a first column of distinct words may be ids.

    Lines of words that are divided by blanks alone are a phrase, unless what comes first in each could be an id.
    """
    banner = lines[0].strip() if lines and lines[0].startswith(BANNER) else ""
    start, comments = _first_record(lines)
    sizes: tuple[int, ...] = ()
    if banner and start < len(lines):
        sizes = tuple(int(word) for word in lines[start].split() if word.isascii() and word.isdecimal())
        start += 1
        while start < len(lines) and not lines[start].strip():
            start += 1
    body = [line for line in lines[start:] if line.strip() and not is_comment(line)]
    attributes = bool(body) and all(_ATTRIBUTES.search(line) for line in body)
    if attributes:
        body = [_ATTRIBUTES.sub("", line) for line in body]
    said = _SAID_SEPARATOR.match(lines[0]) if lines else None
    separator = said[1] if said else "" if banner else _separator(body, ids_first=ids_first)
    cells = (cell.strip().strip('"') for line in body for cell in line.split(separator or None))
    return Dialect(
        separator=separator,
        skipped_lines=start,
        skipped_comments=tuple(comments),
        attributes=attributes,
        decimal_comma=separator != "," and any(map(_DECIMAL_COMMA.fullmatch, cells)),
        banner=banner,
        sizes=sizes,
    )


def is_comment(line: str) -> bool:
    """True where a line begins as comments do."""
    return line.lstrip().startswith(_COMMENTS)


def ambiguous_decimal(cells: Iterable[str]) -> bool:
    """True where commas in numbers may divide thousands: all have three digits after them, none begins with 0."""
    numbers = [cell for cell in cells if _DECIMAL_COMMA.fullmatch(cell)]
    return bool(numbers) and all(_THOUSANDS.fullmatch(cell) for cell in numbers)


def _first_record(lines: list[str]) -> tuple[int, list[str]]:
    """The place of the first line that is no comment, and the comments before it. Empty lines go with comments."""
    comments: list[str] = []
    start = 0
    for place, line in enumerate(lines):
        if is_comment(line):
            comments.append(line.strip())
            start = place + 1
        elif place == 0 and _SAID_SEPARATOR.match(line):
            start = 1
        elif line.strip():
            break
    return start, comments


def _separator(lines: list[str], *, ids_first: bool) -> str:
    """The first of tab, semicolon and comma that most lines have; or blanks where all lines have as many words."""
    outside_quotes = [re.sub(r'"[^"]*"', "", line) for line in lines]
    for separator in ("\t", ";", ","):
        if sum(separator in line for line in outside_quotes) * 2 > len(lines):
            return separator
    words = [_BLANKS.findall(line) for line in lines]
    widths = Counter(map(len, words))
    if not widths or max(widths) == 1:
        return ","
    if not ids_first or all(row[0].startswith('"') and len(row) > 1 for row in words):
        return ""  # phrases in quotes are one word each
    return "" if any(_may_be_ids([row[end] for row in words], even=len(widths) == 1) for end in (0, -1)) else ","


def _may_be_ids(column: list[str], *, even: bool) -> bool:
    """True where these are distinct, whole numbers below the first; or, in lines of equal lengths, any words."""
    below = column[1:] or column  # the first may be a head
    if all(word.isascii() and word.isdecimal() for word in below):
        return len(set(below)) == len(below)
    return even and len(column) > 1 and len(set(column)) == len(column)
