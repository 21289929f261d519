"""Writing of a graph folder: aside, checksummed, flushed to the disk, then renamed in one go."""

import contextlib
import errno
import os
import shutil
from collections.abc import Iterable, Mapping, Sequence
from itertools import accumulate
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import msgspec
import numpy as np

from picluster.errors import DataError
from picluster.graph.folder import DTYPES, META_FILE, OPTIONAL_DTYPES, SPLITS, array_path, sha256
from picluster.graph.names import PARTIAL_MARK
from picluster.graph.packing import bits_for, pack_in_blocks, words_for
from picluster.rounding import SCALE_BYTES, to_int8
from picluster.schema.graph import ArrayFile, GraphMeta

_DTYPES = DTYPES | OPTIONAL_DTYPES | {"indices": ("int32",)}
"""Types of arrays as they are given; ids of neighbours are packed in the end."""
_NO_SPACE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class GraphWriter:
    """Writer of a graph folder: leaving the `with` block puts it in place in one go, an exception removes it.

    A complete folder that is already there stays in use until then. All arrays of `DTYPES` must have been written.
    """

    def __init__(self, path: Path | str, *, source: str, classes: int, class_names: Iterable[str] = ()) -> None:
        """`source`: origin of the data, in words; `class_names`: one for each of the `classes`, or none."""
        self._path = Path(path)
        self._source = source
        self._classes = classes
        self._class_names = tuple(class_names)
        self._aside = self._path.with_name(f"{self._path.name}{PARTIAL_MARK}{os.getpid()}")
        self._shapes: dict[str, tuple[int, ...]] = {}

    def __enter__(self) -> Self:
        shutil.rmtree(self._aside, ignore_errors=True)
        self._aside.mkdir(parents=True)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        try:
            if error is None:
                self._complete()
        finally:
            shutil.rmtree(self._aside, ignore_errors=True)

    def create(self, name: str, shape: tuple[int, ...], dtype: str) -> "np.memmap[Any, Any]":
        """A new array of zeros on disk, to be filled in pieces. DataError where the disk has no room for it."""
        dtypes = _DTYPES[name]
        if dtype not in dtypes:
            raise TypeError(f"{name} is {' or '.join(dtypes)}, not {dtype}")
        self._shapes[name] = shape
        return self._allocate(array_path(self._aside, name), shape, dtype)

    def _allocate(self, file: Path, shape: tuple[int, ...], dtype: str) -> "np.memmap[Any, Any]":
        needed_bytes = int(np.prod(shape, dtype=np.int64)) * np.dtype(dtype).itemsize
        if needed_bytes > shutil.disk_usage(self._aside).free:
            raise _no_space(file, needed_bytes)
        try:
            array = np.lib.format.open_memmap(file, mode="w+", dtype=np.dtype(dtype), shape=shape)
            _reserve(file)
        except OSError as error:
            if error.errno not in _NO_SPACE:
                raise
            raise _no_space(file, needed_bytes) from None
        return array

    def create_features(self, shape: tuple[int, int], dtype: str) -> "FeatureRows":
        """A new table of features (N, F), to be filled in pieces; see `create` for the errors."""
        width = shape[1] + (SCALE_BYTES if dtype == "int8" else 0)
        return FeatureRows(self.create("features", (shape[0], width), dtype), shape)

    def write_features(self, rows: np.ndarray[Any, Any], dtype: str) -> None:
        """Write features (N, F) whole, in the type `dtype`; see `create` for the errors."""
        written = self.create_features((rows.shape[0], rows.shape[1]), dtype)
        written[:] = rows
        written.flush()

    def write(self, name: str, array: np.ndarray[Any, Any]) -> None:
        """Write an array whole; see `create` for the errors."""
        mapped = self.create(name, array.shape, array.dtype.name)
        mapped[...] = array
        mapped.flush()

    def write_splits(self, splits: Mapping[str, np.ndarray[Any, Any]]) -> None:
        """Write the node ids of `train`, `validation` and `test`, ascending."""
        for name in SPLITS:
            self.write(name, np.sort(splits[name]).astype(np.int32))

    def write_node_names(self, names: Sequence[str]) -> None:
        """Write the names of the nodes, in order of their numbers (N,); see `create` for the errors."""
        encoded = [name.encode("utf-8", "surrogatepass") for name in names]
        self.write("node_names", np.frombuffer(b"".join(encoded), np.uint8))
        self.write("node_name_ends", np.fromiter(accumulate(map(len, encoded)), np.int64, len(encoded)))

    def _complete(self) -> None:
        if missing := [name for name in DTYPES if name not in self._shapes]:
            raise ValueError(f"the graph folder {self._path} lacks {', '.join(missing)}")
        id_bits = self._pack(array_path(self._aside, "indices"))
        files = {name: _describe(array_path(self._aside, name)) for name in _DTYPES if name in self._shapes}
        meta = GraphMeta(
            name=self._path.name,
            source=self._source,
            nodes=self._shapes["features"][0],
            edges=self._shapes["indices"][0],
            id_bits=id_bits,
            features=self._shapes["features"][1] - SCALE_BYTES * (files["features"].dtype == "int8"),
            classes=self._classes,
            splits={name: self._shapes[name][0] for name in SPLITS},
            files=files,
            class_names=self._class_names,
        )
        (self._aside / META_FILE).write_bytes(msgspec.json.format(msgspec.json.encode(meta)) + b"\n")
        for file in (*self._aside.iterdir(), self._aside):
            _flush_to_disk(file)
        _replace(self._aside, self._path)
        _flush_to_disk(self._path.parent)

    def _pack(self, file: Path) -> int:
        """Put packed ids in the place of the plain ones that a file holds; returns the bits of each."""
        plain = file.rename(file.with_suffix(".plain"))
        ids = np.load(plain, mmap_mode="r", allow_pickle=False)
        id_bits = bits_for(int(ids.max(initial=0)) + 1)
        words = self._allocate(file, (words_for(len(ids), id_bits),), "uint32")
        pack_in_blocks(ids, id_bits, words)
        words.flush()
        plain.unlink()
        return id_bits


class FeatureRows:
    """Features that are being written: rows of numbers go in, packed where they are stored as int8."""

    def __init__(self, stored: "np.memmap[Any, Any]", shape: tuple[int, int]) -> None:
        """`stored`: (N, F), or of packed rows (N, F + 4); `shape`: (N, F)."""
        self._stored = stored
        self.shape, self.dtype = shape, stored.dtype

    def __len__(self) -> int:
        return self.shape[0]

    def __setitem__(self, nodes: Any, rows: np.ndarray[Any, Any]) -> None:
        """Put down the rows (n, F) of some nodes."""
        packs = self.dtype == np.int8
        self._stored[nodes] = to_int8(rows.astype(np.float32)) if packs else rows

    def flush(self) -> None:
        """Bring all of it to the file."""
        self._stored.flush()


def _describe(file: Path) -> ArrayFile:
    array = np.load(file, mmap_mode="r", allow_pickle=False)
    return ArrayFile(shape=array.shape, dtype=array.dtype.name, bytes=file.stat().st_size, sha256=sha256(file))


def _reserve(file: Path) -> None:
    """Claim the disk blocks now: writing to a mapping of a full disk would end the process with SIGBUS."""
    if not hasattr(os, "posix_fallocate"):
        return
    with file.open("r+b") as stream:
        try:
            os.posix_fallocate(stream.fileno(), 0, file.stat().st_size)
        except OSError as error:
            if error.errno in _NO_SPACE:  # other errors: this file system cannot claim anything
                raise


def _no_space(file: Path, needed_bytes: int) -> DataError:
    free = shutil.disk_usage(file.parent).free
    what = f"no space for {file}: {needed_bytes / 1e6:,.1f} MB needed, {free / 1e6:,.1f} MB free"
    return DataError(what, fix="make room there, choose another folder, or take a smaller --scale")


def _flush_to_disk(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _replace(new: Path, target: Path) -> None:
    """Rename `new` to `target`; a folder that is there already is moved away first, also one by another process."""
    old = new.with_name(new.name + "-replaced")
    try:
        while True:
            with contextlib.suppress(FileNotFoundError):
                target.rename(old)
            try:
                new.rename(target)
            except OSError as error:
                if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                    raise
                shutil.rmtree(old, ignore_errors=True)  # another process was quicker: its folder is moved away too
            else:
                return
    finally:
        shutil.rmtree(old, ignore_errors=True)
