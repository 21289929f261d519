"""Tables that people have of their own graphs: `.csv`, `.parquet`, `.npy`, `.npz`. Errors name the line or row."""

import csv
import importlib
import itertools
import warnings
import zipfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from picluster.errors import DataError, InputError, MissingError

Kind = Literal["ids", "numbers", "words"]
SUFFIXES = (".csv", ".parquet", ".npy", ".npz")

_ID_HEADS = ("", "node", "id", "node_id")
"""What the head of a column of node ids may be; pandas leaves it empty."""
_WORD_HEADS = ("label", "labels", "class", "y", "split")
_WANTED = {"ids": "a whole number", "numbers": "a number", "words": "a word"}
_DTYPE_KINDS = {"ids": "iu", "numbers": "iufb", "words": "iuUS"}


@dataclass(frozen=True, kw_only=True)
class Table:
    """Rows, and where each of them stands."""

    rows: NDArray[Any]
    """(rows, columns)."""
    where: Callable[[int], str]
    """Such as `edges.csv, line 5`, of a row from 0."""
    node_column: bool = False
    """The first column says which node a row is of."""


def read_table(file: Path, kind: Kind, name: str) -> Table:
    """The only table of a file, or the array `name` of an `.npz` archive. `ids` come as integers, `words` as text.

    InputError where the file is not there or of another kind; DataError where it is empty or does not hold what it
    should; MissingError where it is `.parquet` and pyarrow is missing.
    """
    _check_file(file)
    if file.suffix.lower() == ".csv":
        return _read_csv(file, kind)
    if file.suffix.lower() == ".parquet":
        return _read_parquet(file, kind)
    arrays = read_arrays(file)
    if name not in arrays and len(arrays) != 1:
        raise DataError(f"{file} holds {', '.join(arrays) or 'nothing'}, but not {name}", fix=f"name the array {name}")
    rows = arrays[name] if name in arrays else next(iter(arrays.values()))
    return as_table(rows, kind, str(file))


def read_arrays(file: Path) -> dict[str, NDArray[Any]]:
    """Every array of an `.npz` archive by its name, or the one of an `.npy` file. Errors as those of `read_table`."""
    _check_file(file)
    try:
        if file.suffix.lower() == ".npy":
            return {file.stem: np.load(file, mmap_mode="r", allow_pickle=False)}
        with file.open("rb") as stream, np.load(stream, allow_pickle=False) as archive:
            return dict(archive)
    except (OSError, EOFError, ValueError, zipfile.BadZipFile) as error:
        raise DataError(f"{file} cannot be read: {error}", fix="save it with numpy.save or numpy.savez") from None


def as_table(rows: NDArray[Any], kind: Kind, source: str) -> Table:
    """An array of one or two dimensions as a table. DataError where it is empty or not of its kind."""
    if rows.ndim not in (1, 2) or not rows.size:
        raise DataError(
            f"{source} has the shape {rows.shape}; a table has rows and columns", fix="see docs/datasets.md"
        )
    if rows.dtype.kind not in _DTYPE_KINDS[kind]:
        what = f"{source} holds {rows.dtype.name}, where {_WANTED[kind]} is expected"
        raise DataError(what, fix="convert it first, such as with .astype")
    rows = rows if rows.ndim > 1 else rows[:, None]
    rows = rows.astype(str) if kind == "words" else rows
    return Table(rows=rows, where=lambda row: f"{source}, row {row} (from 0)")


def _check_file(file: Path) -> None:
    if file.suffix.lower() not in SUFFIXES:
        raise InputError(f"{file} is of no kind that can be read", fix=f"it must end in {', '.join(SUFFIXES)}")
    if not file.is_file():
        raise InputError(f"there is no file {file}")


def _read_csv(file: Path, kind: Kind) -> Table:
    try:
        with file.open(newline="", encoding="utf-8-sig") as stream:
            first = [cell.strip() for cell in next(csv.reader(stream), [])]
        head = _is_head(first, kind)
        node_column = bool(head and len(first) > 1 and first[0].lower() in _ID_HEADS)
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
                return DataError(f"{file}, line {lines.line_num}: {bad[0]!r} is not {_WANTED[kind]}", fix="correct it")
    return DataError(f"{file} cannot be read: {why}", fix="save it as CSV, with commas between the columns")


def _line_of(file: Path, row: int) -> int:
    """The number of the line that holds a row; empty lines hold none."""
    with file.open(encoding="utf-8-sig") as stream:
        filled = (number for number, line in enumerate(stream, 1) if line.strip())
        return next(itertools.islice(filled, row, None), 0)


def _read_parquet(file: Path, kind: Kind) -> Table:
    try:
        parquet = importlib.import_module("pyarrow.parquet")
    except ImportError:
        raise MissingError(f"reading {file} needs the package pyarrow", fix="pip install pyarrow") from None
    try:
        table = parquet.read_table(file)
    except (OSError, ValueError) as error:  # pyarrow's own errors are among these
        raise DataError(f"{file} cannot be read: {error}", fix="save it again as Parquet") from None
    heads: list[str] = table.column_names
    columns: Iterable[NDArray[Any]] = (column.to_numpy() for column in table.columns)
    if kind == "words":
        columns = (column.astype(str) for column in columns)
    rows = as_table(np.column_stack(list(columns)) if heads else np.empty(0), kind, str(file))
    node_column = len(heads) > 1 and heads[0].lower() in _ID_HEADS
    return Table(rows=rows.rows, where=rows.where, node_column=node_column)
