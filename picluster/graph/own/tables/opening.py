"""The files of one's own graph, opened: text and Parquet as columns, arrays as they are."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from numpy.typing import NDArray

from picluster.errors import DataError, InputError
from picluster.graph.own.arrays import read_arrays
from picluster.graph.own.column_names import may_be_ids
from picluster.graph.own.sheet import Sheet
from picluster.graph.own.table import Kind, Table
from picluster.graph.own.tables.edge_list import (
    TextEdges,
    look_at_edges,
)
from picluster.graph.own.tables.parquet import open_parquet, parquet_columns, parquet_sheet
from picluster.graph.own.tables.skipping import FileColumns
from picluster.graph.own.text.columns import read_numbers, read_words
from picluster.graph.own.text.layout import Layout, find_layout
from picluster.graph.own.text.notes import check_comments, check_decimals, check_empty_lines, text_notes
from picluster.graph.own.text.records import Peek, peek
from picluster.graph.own.whole.part import part_in

TEXT_SUFFIXES = (".csv", ".tsv", ".txt", ".tab", ".dat", ".edges", ".edgelist", ".mtx")
ARRAY_SUFFIXES = (".npy", ".npz")
_KINDS: dict[str, Kind] = {"edges": "ids", "features": "numbers", "labels": "words", "splits": "words"}
_PAIR = 2
_MANY_DIGITS = 16


class TextFile(NamedTuple):
    """A text file of which the first lines are known."""

    peek: Peek
    layout: Layout
    edges: TextEdges | None


class ParquetFile(NamedTuple):
    """A Parquet file, as pyarrow has read it."""

    file: Path
    table: Any


Opened = TextFile | ParquetFile | Table | dict[str, NDArray[Any]]


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


def _open_columns(role: str, file: Path, suffix: str) -> TextFile | ParquetFile:
    if suffix == ".parquet":
        return ParquetFile(file, open_parquet(file))
    first = peek(file, ids_first=_KINDS[role] == "words")
    if role == "edges":
        edges = look_at_edges(first)
        return TextFile(first, edges.layout, edges)
    if first.dialect.banner:
        raise DataError(f"{file} is a Matrix Market file, which can be edges alone", fix=f"save {role} as CSV")
    return TextFile(first, find_layout(first, _KINDS[role]), None)


def _suffix(file: Path) -> str:
    name = file.name.lower()
    return Path(name.removesuffix(".gz")).suffix if Path(name).suffix == ".gz" else Path(name).suffix


def columns_of(opened: TextFile | ParquetFile | Table) -> FileColumns:
    """The columns that can be skipped."""
    if isinstance(opened, Table):
        return FileColumns(opened.rows.shape[1], (), spare=True)
    if isinstance(opened, ParquetFile):
        return parquet_columns(opened.table)
    if opened.edges:
        return opened.edges.columns
    width = opened.layout.width - len(opened.layout.empty)
    return FileColumns(
        width, opened.layout.names or _likely_names(opened), spare=opened.layout.doubtful and width > _PAIR
    )


def _likely_names(opened: TextFile) -> tuple[str, ...]:
    """The first line of labels or splits, which may be a head: what is typed after --skip will say so."""
    return tuple(opened.peek.first.cells) if opened.layout.doubtful else ()


def sheet_of(role: str, opened: Opened, skipped: dict[str, frozenset[int]]) -> Sheet:
    """The columns of features, labels or splits, read whole. DataError names the line that does not fit."""
    left_out = skipped.get(role, frozenset())
    if isinstance(opened, ParquetFile):
        return parquet_sheet(opened.table, opened.file, _KINDS[role], left_out)
    assert isinstance(opened, TextFile)
    first, layout = opened.peek, opened.layout
    if role == "features":
        check_decimals(first)
        check_empty_lines(first, layout)
        words = {place for place in range(layout.width) if place not in layout.numeric}
        words |= {place for place, name in enumerate(layout.names) if may_be_ids(name)}
        words |= {place for place in layout.numeric if _are_codes([record.cells[place] for record in first.sample])}
        sheet = read_numbers(first, layout, frozenset(words - left_out - layout.empty), left_out)
    else:
        check_comments(first, layout)
        sheet = read_words(first, layout, left_out)
    return replace(sheet, notes=text_notes(role, first, layout, slowly_read=bool(sheet.words)))


def _are_codes(cells: list[str]) -> bool:
    """Whether float64 would lose digits of a column that may hold ids: 007, or numbers of 16 digits and more."""
    digits = all(cell.isascii() and cell.isdecimal() for cell in cells)
    return digits and any(len(cell) >= _MANY_DIGITS or (len(cell) > 1 and cell[0] == "0") for cell in cells)
