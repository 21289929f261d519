"""Tables of `.parquet` files, where pyarrow is there."""

import importlib
from pathlib import Path

import numpy as np

from picluster.errors import DataError, MissingError
from picluster.graph.own.table import ID_HEADS, Kind, Table, as_table


def read_parquet(file: Path, kind: Kind) -> Table:
    """The table of a file. MissingError without pyarrow; DataError where it cannot be read or is of another kind."""
    try:
        parquet = importlib.import_module("pyarrow.parquet")
    except ImportError:
        raise MissingError(f"reading {file} needs the package pyarrow", fix="pip install pyarrow") from None
    try:
        table = parquet.read_table(file)
    except (OSError, ValueError) as error:  # pyarrow's own errors are among these
        raise DataError(f"{file} cannot be read: {error}", fix="save it again as Parquet") from None
    heads: list[str] = table.column_names
    columns = [column.to_numpy() for column in table.columns]
    if kind == "words":
        columns = [column.astype(str) for column in columns]
    rows = as_table(np.column_stack(columns) if heads else np.empty(0), kind, str(file))
    node_column = len(heads) > 1 and heads[0].lower() in ID_HEADS
    return Table(rows=rows.rows, where=rows.where, node_column=node_column)
