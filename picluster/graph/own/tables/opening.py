"""The files of one's own graph, opened: text and Parquet as columns, arrays as they are."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from picluster.errors import DataError, InputError
from picluster.graph.own.arrays import read_arrays
from picluster.graph.own.column_names import may_be_ids
from picluster.graph.own.sheet import Sheet
from picluster.graph.own.table import Kind, Table
from picluster.graph.own.tables.edge_list import TextEdges, open_text_edges
from picluster.graph.own.tables.parquet import ParquetFile, open_parquet
from picluster.graph.own.tables.skipping import FileColumns
from picluster.graph.own.text.columns import read_numbers, read_words
from picluster.graph.own.text.text_file import TextFile, open_text
from picluster.graph.own.whole.part import part_in

TEXT_SUFFIXES = (".csv", ".tsv", ".txt", ".tab", ".dat", ".edges", ".edgelist", ".mtx")
ARRAY_SUFFIXES = (".npy", ".npz")
_KINDS: dict[str, Kind] = {"edges": "ids", "features": "numbers", "labels": "words", "splits": "words"}
_PAIR = 2
_MANY_DIGITS = 16


Opened = TextFile | TextEdges | ParquetFile | Table | dict[str, NDArray[Any]]


def open_file(role: str, file: Path, skip: Sequence[str]) -> tuple[Opened, frozenset[str]]:
    """Opens the file of edges, features, labels or splits; and the words of `skip` that are entries of an archive.

    InputError where it is missing or of no known kind.
    """
    suffix = _suffix(file)
    if suffix not in (*TEXT_SUFFIXES, *ARRAY_SUFFIXES, ".parquet"):
        fix = (
            f"it must end in {', '.join((*TEXT_SUFFIXES, '.parquet', *ARRAY_SUFFIXES))}; .gz may follow that of a text"
        )
        raise InputError(f"{file} is of no kind that can be read", fix=fix)
    if not file.is_file():
        raise InputError(f"there is no file {file}")
    if suffix in ARRAY_SUFFIXES:
        if role == "splits" and suffix == ".npz":
            return read_arrays(file), frozenset()
        return part_in(role, file, _KINDS[role], skip)
    return _open_columns(role, file, suffix), frozenset()


def _open_columns(role: str, file: Path, suffix: str) -> TextFile | TextEdges | ParquetFile:
    if suffix == ".parquet":
        return open_parquet(file)
    text = open_text(file, _KINDS[role])
    if role == "edges":
        return open_text_edges(text)
    if text.dialect.banner:
        raise DataError(f"{file} is a Matrix Market file, which can be edges alone", fix=f"save {role} as CSV")
    return text


def _suffix(file: Path) -> str:
    name = file.name.lower()
    return Path(name.removesuffix(".gz")).suffix if Path(name).suffix == ".gz" else Path(name).suffix


def columns_of(opened: Opened) -> FileColumns | None:
    """The columns that can be skipped; None where there are none."""
    if isinstance(opened, TextEdges | ParquetFile):
        return opened.columns
    if isinstance(opened, TextFile):  # where the first line may be a head, what is typed after --skip will say so
        width = opened.width - len(opened.empty)
        return FileColumns(width, opened.names or opened.doubtful, spare=bool(opened.doubtful) and width > _PAIR)
    return None


def sheet_of(role: str, opened: Opened, skipped: dict[str, frozenset[int]]) -> Sheet:
    """The columns of features, labels or splits, read whole. DataError names the line that does not fit."""
    left_out = skipped.get(role, frozenset())
    if isinstance(opened, ParquetFile):
        return opened.sheet(_KINDS[role], left_out)
    assert isinstance(opened, TextFile)
    if role == "features":
        opened.check_numbers()
        words = {place for place in range(opened.width) if place not in opened.numeric}
        words |= {place for place, name in enumerate(opened.names) if may_be_ids(name)}
        words |= {place for place in opened.numeric if _are_codes([record.cells[place] for record in opened.sample])}
        sheet = read_numbers(opened, frozenset(words - left_out - opened.empty), left_out)
    else:
        opened.check_comments()
        sheet = read_words(opened, left_out)
    return replace(sheet, notes=opened.notes(role, slowly_read=bool(sheet.words)))


def _are_codes(cells: list[str]) -> bool:
    """True where float64 would lose digits of a column that may hold ids: 007, or numbers of 16 digits and more."""
    digits = all(cell.isascii() and cell.isdecimal() for cell in cells)
    return digits and any(len(cell) >= _MANY_DIGITS or (len(cell) > 1 and cell[0] == "0") for cell in cells)
