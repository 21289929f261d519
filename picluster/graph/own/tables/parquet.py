"""Files of Parquet, where pyarrow is there."""

import importlib
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from picluster.errors import DataError, MissingError
from picluster.graph.damage import damage_told
from picluster.graph.own.column_names import may_be_ids
from picluster.graph.own.own_graph import Kind
from picluster.graph.own.sheet import Column, FileColumns, Sheet
from picluster.graph.own.tables.edge_columns import EdgeColumns
from picluster.graph.own.words import to_words, words_of

_STRINGS = ("string", "large_string", "string_view", "null")


class ParquetFile(NamedTuple):
    """A Parquet file, as pyarrow has read it."""

    file: Path
    table: Any

    @property
    def columns(self) -> FileColumns:
        """The columns that can be skipped."""
        return FileColumns(len(self.table.column_names), tuple(self.table.column_names))

    def described(self) -> EdgeColumns:
        """The columns of an edge list, with an example of each."""
        example = tuple(str(column[0]) for column in self.table.columns if len(column))
        width, names, _ = self.columns
        return EdgeColumns(str(self.file), names, width, example, separator="columns of Parquet")

    def sheet(self, kind: Kind, skipped: frozenset[int]) -> Sheet:
        """The columns but those left out. DataError names one that holds neither numbers nor words."""
        file, names = self.file, self.columns.names
        if not self.table.num_rows or not names:
            raise DataError(f"{file} has no rows", fix="see docs/datasets.md for what belongs there")
        columns: dict[int, Column] = {
            place: _column(self.table.column(place), f"{file}, column {name}", kind, ids=may_be_ids(name))
            for place, name in enumerate(names)
            if place not in skipped
        }
        numbers = {place: column for place, column in columns.items() if isinstance(column, np.ndarray)}
        return Sheet(
            file=str(file),
            width=len(names),
            numbers=np.column_stack(list(numbers.values())) if numbers else np.empty((0, 0)),
            number_columns=tuple(numbers),
            words={place: column for place, column in columns.items() if not isinstance(column, np.ndarray)},
            where=lambda row: f"{file}, row {row} (from 0)",
            names=names,
        )


def open_parquet(file: Path) -> ParquetFile:
    """Reads a file. MissingError without pyarrow; DataError where it cannot be read."""
    try:
        parquet = importlib.import_module("pyarrow.parquet")
    except ImportError:
        raise MissingError(f"reading {file} needs the package pyarrow", fix="pip install pyarrow") from None
    with damage_told(file, fix="save it again as Parquet"):
        found = ParquetFile(file, parquet.read_table(file))
        found.table.validate(full=True)
        _ = found.columns  # names are decoded when they are asked for
        return found


def _column(column: Any, where: str, kind: Kind, *, ids: bool) -> Column:
    """A column: features as float64, ids as int64 where they can be, anything else as words, empty where it is null."""
    if (inner := getattr(column.type, "value_type", None)) is not None and str(column.type).startswith("dictionary"):
        column = column.cast(inner)
    named = str(column.type)
    if named in _STRINGS:
        return to_words("" if value is None else value.strip() for value in column.to_pylist())
    if named.startswith("decimal"):
        column = column.cast("float64")
        named = "double"
    if named == "bool" and kind != "numbers":
        return to_words("" if value is None else str(value) for value in column.to_pylist())
    if not named.startswith(("int", "uint", "float", "double", "halffloat", "bool")):
        what = f"{where} holds {named}, neither numbers nor words"
        raise DataError(what, fix=f"convert it, or leave it out: --skip {where.rpartition(' ')[2]}")
    if kind == "numbers" and not (ids and not column.null_count):
        return np.asarray(column.cast("float64", safe=False).to_numpy(), np.float64)
    if named.startswith(("int", "uint")):
        if column.null_count or named == "uint64":
            return to_words("" if value is None else str(value) for value in column.to_pylist())
        whole = column.to_numpy().astype(np.int64)
        return whole if kind == "ids" else words_of(whole)
    return words_of(column.cast("float64", safe=False).to_numpy())
