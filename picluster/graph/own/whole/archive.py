"""Arrays of `.npy` files and `.npz` archives, which have PyG's names, sparse matrices in parts, or scipy's own."""

import re
import shlex
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from picluster.errors import DataError, InputError
from picluster.graph.damage import damage_told
from picluster.graph.own.own_graph import Kind, Table, as_table
from picluster.graph.own.whole.edges import find_edge_data, given_edges, is_square, values_names
from picluster.graph.own.whole.entries import Entries, Entry, Matrix, Odd, WordList, from_compressed, from_entries
from picluster.graph.own.whole.meaning import EDGES, FEATURES, LABELS, chosen

_PART = re.compile(r"(?:(.*)[._])?(data|indices|indptr|row|col|shape|format)", re.DOTALL)
_COMPRESSED, _SINGLE = {"data", "indices", "indptr", "shape"}, {"data", "row", "col", "shape"}
_ALONE = "matrix"
"""The name of a matrix that is alone in its archive."""
_NAMES = {"edges": EDGES, "features": FEATURES, "labels": LABELS}
_ROWS = (2, 3)
"""Numbers of rows that are the ends of edges, and a weight: the other way round than in a table."""


def part_in(role: str, file: Path, kind: Kind, skip: Sequence[str]) -> tuple[Table, frozenset[str]]:
    """The table of a part, `edges` perhaps with more columns, and what was left out. DataError where it is missing."""
    is_archive = file.suffix.lower() == ".npz"
    entries = entries_in(file) if is_archive else Entries(file=file, by_name={"array": read_arrays(file)[file.stem]})
    if role == "edges":
        return _edges(entries, skip)
    name = _name(entries, role)
    entry = entries.by_name[name]
    array = np.array(entry.words, np.str_) if isinstance(entry, WordList) else entries.array(name)
    return as_table(array, kind, str(file)), frozenset()


def _name(entries: Entries, role: str) -> str:
    """The only entry, or the one of the part's names."""
    if len(entries.by_name) == 1:
        return next(iter(entries.by_name))
    name = chosen(entries, (role, *_NAMES.get(role, ())), role)
    if name is None:
        raise DataError(f"{entries.file} holds {entries.listed()}, but not {role}", fix=f"name the array {role}")
    return name


def _edges(entries: Entries, skip: Sequence[str]) -> tuple[Table, frozenset[str]]:
    values = values_names(entries)
    skipped = {word for word in skip if word in entries.by_name}
    left = entries.without(skipped)
    name = _name(left, "edges")
    if isinstance(left.by_name[name], Matrix) or is_square(left.by_name[name]):
        table = given_edges(left, name, skips_values=any(word in values for word in skip))
        skipped |= values.intersection(skip)
    else:
        table = _columns(left, name)
    find_edge_data(left.without([name]), len(table.rows))
    return table, frozenset(skipped)


def _columns(entries: Entries, name: str) -> Table:
    """(E, columns) of an array with a row or a column for each edge; (2, 3) is as PyG has it."""
    table = as_table(entries.array(name), "numbers", str(entries.file))
    rows, width = table.rows.shape
    is_turned = rows in _ROWS and (entries.array(name).ndim > 1 if width not in _ROWS else rows < width)
    if is_turned:
        return Table(rows=table.rows.T, where=lambda edge: f"{entries.file}, column {edge} (from 0)")
    return table


def read_arrays(file: Path) -> dict[str, NDArray[Any]]:
    """Every array of an `.npz` archive by its name, or the one of an `.npy` file. DataError where it cannot be read."""
    with damage_told(file, fix="save it with numpy.save or numpy.savez"):
        if file.suffix.lower() == ".npy":
            return {file.stem: np.load(file, mmap_mode="r", allow_pickle=False)}
        with file.open("rb") as stream, np.load(stream, allow_pickle=False) as archive:
            return dict(archive)


def entries_in(file: Path) -> Entries:
    """Arrays of an archive, and matrices of several. InputError where it is missing, DataError where it is damaged."""
    if not file.is_file():
        raise InputError(f"there is no file {file}")
    arrays: dict[str, Entry] = {}
    with damage_told(file, fix="save it with numpy.savez"), zipfile.ZipFile(file) as archive:
        names = archive.namelist()
        if any(name.endswith("data.pkl") for name in names):
            raise DataError(f"{file} was written by torch.save, not by numpy", fix=f"--pyg {shlex.quote(str(file))}")
        for name in names:
            arrays[name.removesuffix(".npy")] = _member(archive, name)
    return _with_matrices(file, arrays)


def _member(archive: zipfile.ZipFile, name: str) -> Entry:
    if not name.endswith(".npy"):
        return Odd("no array", is_single=True)
    with archive.open(name) as stream:
        version = np.lib.format.read_magic(stream)
        read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, _, dtype = read(stream)
    if dtype.hasobject:
        return Odd("pickled Python objects" if shape else "a pickled Python object", is_single=not shape)
    with archive.open(name) as stream:
        array: Any = np.lib.format.read_array(stream, allow_pickle=False)
    if dtype.kind in "US" and array.ndim == 1:
        return WordList(tuple(_text(word) for word in array.tolist()))
    return array if dtype.kind in "iufbcUS" else Odd(f"an array of {dtype}")


def _text(word: str | bytes) -> str:
    return word.decode("utf-8", "replace") if isinstance(word, bytes) else word


def _with_matrices(file: Path, arrays: dict[str, Entry]) -> Entries:
    groups: dict[str, dict[str, str]] = {}
    for name in arrays:
        if match := _PART.fullmatch(name):
            groups.setdefault(match[1] or "", {})[match[2]] = name
    entries, values = dict(arrays), {}
    for owner, parts in groups.items():
        if not (parts.keys() >= _COMPRESSED or parts.keys() >= _SINGLE or "format" in parts):
            continue
        name = owner or _ALONE
        matrix = _matrix(file, name, {part: arrays[whole] for part, whole in parts.items()})
        for whole in parts.values():
            del entries[whole]
        entries[name] = matrix
        values[parts["data"]] = name
    return Entries(file=file, by_name=entries, values=values)


def _matrix(file: Path, name: str, parts: dict[str, Entry]) -> Matrix:
    form = parts.get("format", np.array(b"csr"))
    text = _text(form.item()) if isinstance(form, np.ndarray) and form.size == 1 else ""
    matrix = None
    if parts.keys() >= _SINGLE:
        matrix = from_entries(parts["data"], parts["row"], parts["col"], parts["shape"])
    elif parts.keys() >= _COMPRESSED and text in ("csr", "csc"):
        data, indices, indptr, shape = (parts[part] for part in ("data", "indices", "indptr", "shape"))
        matrix = from_compressed(data, indices, indptr, shape, by_column=text == "csc")
    if matrix is None:
        why = f"in the form {text}" if text not in ("csr", "csc", "coo") else "whose parts do not fit together"
        fix = "save it as rows: scipy.sparse.save_npz(FILE, matrix.tocsr())"
        called = "" if name == _ALONE else f" {name}"
        raise DataError(f"{file} holds a sparse matrix{called} {why}", fix=fix)
    return matrix
