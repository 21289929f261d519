"""Tables of text: `.csv`. Errors name the line."""

import csv
import itertools
import warnings
from pathlib import Path

import numpy as np

from picluster.errors import DataError
from picluster.graph.own.table import ID_HEADS, WANTED, Kind, Table

_WORD_HEADS = ("label", "labels", "class", "y", "split")


def read_text(file: Path, kind: Kind) -> Table:
    """The table of a file. DataError names the first line that does not fit."""
    try:
        with file.open(newline="", encoding="utf-8-sig") as stream:
            first = [cell.strip() for cell in next(csv.reader(stream), [])]
        head = _is_head(first, kind)
        node_column = bool(head and len(first) > 1 and first[0].lower() in ID_HEADS)
        # Ids up to 2^31 have no place in float32.
        numbers = np.float64 if node_column else np.float32
        dtype = {"ids": np.int64, "numbers": numbers, "words": np.str_}[kind]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that it is empty is said below
            rows = np.loadtxt(
                file,
                dtype,
                comments=None,
                delimiter=",",
                quotechar='"',
                ndmin=2,
                encoding="utf-8-sig",
                skiprows=int(head),
            )
    except UnicodeDecodeError as error:
        raise DataError(f"{file} is not text in UTF-8: {error}", fix="save it as CSV in UTF-8") from None
    except (ValueError, csv.Error) as error:
        raise _bad_line(file, kind, str(error)) from None
    if not rows.size:
        raise DataError(f"{file} has no rows", fix="see docs/datasets.md for what belongs there")
    return Table(rows=rows, node_column=node_column, where=lambda row: f"{file}, line {_line_of(file, row + head)}")


def _is_head(cells: list[str], kind: Kind) -> bool:
    """Whether the first line names the columns. Labels may be words themselves: beside them stands a node's number."""
    if kind == "words":
        return bool(cells) and (cells[-1].lower() in _WORD_HEADS or not (cells[1:] == [] or _converts(cells[0], "ids")))
    return bool(cells) and (not cells[0] or not any(_converts(cell, "numbers") for cell in cells))


def _converts(cell: str, kind: Kind) -> bool:
    try:
        np.int64(cell) if kind == "ids" else float(cell)
    except (ValueError, OverflowError):
        return kind == "words"
    return True


def _bad_line(file: Path, kind: Kind, why: str) -> DataError:
    """The error that names the first line which does not fit."""
    width = 2 if kind == "ids" else 0  # an edge has two ends
    with file.open(newline="", encoding="utf-8-sig") as stream:
        lines = csv.reader(stream)
        for row, cells in enumerate(filter(None, lines)):
            width = width or len(cells)
            if len(cells) != width:
                what = f"{file}, line {lines.line_num} has {len(cells)} columns instead of {width}"
                return DataError(what, fix="give every line the same columns, separated by commas")
            bad = [cell for cell in cells if not _converts(cell, kind)]
            if bad and (row or not _is_head(cells, kind)):
                return DataError(f"{file}, line {lines.line_num}: {bad[0]!r} is not {WANTED[kind]}", fix="correct it")
    return DataError(f"{file} cannot be read: {why}", fix="save it as CSV, with commas between the columns")


def _line_of(file: Path, row: int) -> int:
    """The number of the line that holds a row; empty lines hold none."""
    with file.open(encoding="utf-8-sig") as stream:
        filled = (number for number, line in enumerate(stream, 1) if line.strip())
        return next(itertools.islice(filled, row, None), 0)
