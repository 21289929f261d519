"""Files that people have of their own graphs: `.csv`, `.parquet`, `.npy`, `.npz`, told by their endings."""

from pathlib import Path

from picluster.errors import DataError, InputError
from picluster.graph.own.arrays import read_arrays
from picluster.graph.own.parquet import read_parquet
from picluster.graph.own.table import Kind, Table, as_table
from picluster.graph.own.text import read_text

SUFFIXES = (".csv", ".parquet", ".npy", ".npz")


def read_table(file: Path, kind: Kind, name: str) -> Table:
    """The only table of a file, or the array `name` of an `.npz` archive. `ids` come as integers, `words` as text.

    InputError where the file is not there or of another kind; DataError where it is empty or does not hold what it
    should; MissingError where it is `.parquet` and pyarrow is missing.
    """
    _check_file(file)
    if file.suffix.lower() == ".csv":
        return read_text(file, kind)
    if file.suffix.lower() == ".parquet":
        return read_parquet(file, kind)
    arrays = read_arrays(file)
    if name not in arrays and len(arrays) != 1:
        raise DataError(f"{file} holds {', '.join(arrays) or 'nothing'}, but not {name}", fix=f"name the array {name}")
    rows = arrays[name] if name in arrays else next(iter(arrays.values()))
    return as_table(rows, kind, str(file))


def _check_file(file: Path) -> None:
    if file.suffix.lower() not in SUFFIXES:
        raise InputError(f"{file} is of no kind that can be read", fix=f"it must end in {', '.join(SUFFIXES)}")
    if not file.is_file():
        raise InputError(f"there is no file {file}")
