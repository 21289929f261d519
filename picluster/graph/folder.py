"""The graph folder: memory-mapped `.npy` arrays and a `meta.json` with sizes and checksums. Needs numpy alone.

The structure is CSC: the in-neighbours of node v are `neighbour_ids()[indptr[v]:indptr[v + 1]]`, ascending, without
duplicates and without v itself; `indices` holds them packed. A folder is written aside and renamed, so it is seen whole
or not at all.
"""

import hashlib
import mmap
import threading
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Self, overload

import msgspec
import numpy as np

from picluster.errors import DataError
from picluster.graph.damage import damage_told
from picluster.graph.names import FEATURE_DTYPES, remake_command
from picluster.graph.packing import PackedIds, words_for
from picluster.rounding import SCALE_BYTES, from_int8
from picluster.schema.graph import GRAPH_SCHEMA_VERSION, GraphMeta
from picluster.schema.record import decode
from picluster.wording import in_words

META_FILE = "meta.json"
_PARSER = threading.Lock()
"""Numpy reads headers by Python's parser, which counts the depth of all threads together (3.11: SystemError)."""
SPLITS = ("train", "validation", "test")
DTYPES = {
    "indptr": ("int64",),  # (N + 1,)
    "indices": ("uint32",),  # (W,) words of E packed ids
    "features": FEATURE_DTYPES,  # (N, F); int8: (N, F + 4), rows as `picluster.rounding` packs them
    "labels": ("int16", "int32", "float32"),  # (N,), -1 = unlabelled; float32: values to be learnt
    "train": ("int32",),  # ids, ascending; the other splits likewise
    "validation": ("int32",),
    "test": ("int32",),
}
_MOST_CLASSES = {"int16": 1 << 15, "int32": 1 << 31, "float32": 1}
OPTIONAL_DTYPES = {
    "node_names": ("uint8",),  # all names one after the other, in UTF-8
    "node_name_ends": ("int64",),  # (N,), end of each
}
"""Arrays of a graph whose nodes have names of their own. Training does without them: they are not shipped."""


class GraphFolder:
    """A complete graph folder, opened for reading."""

    def __init__(self, path: Path, meta: GraphMeta) -> None:
        self.path = path
        self.meta = meta

    @classmethod
    def open(cls, path: Path | str, names: Iterable[str] = tuple(DTYPES)) -> Self:
        """Open a folder; its arrays `names` (all) are looked at. DataError where one is missing or of another size."""
        path = Path(path)
        meta = _read_meta(path)
        optional = OPTIONAL_DTYPES.keys() & meta.files.keys() if set(names) >= DTYPES.keys() else ()
        for name in (*names, *optional):
            _check_size(path, name, meta, (DTYPES | OPTIONAL_DTYPES)[name])
        graph = cls(path, meta)
        if "indptr" in names and (counted := graph.array("indptr")[-1:].sum()) != meta.edges:
            what = f"{array_path(path, 'indptr')} is damaged, or {META_FILE}"
            raise _unfit(path, f"{what}: the one counts {counted} edges, the other {meta.edges}")
        return graph

    def array(self, name: str, *, read_ahead: bool = True) -> np.ndarray[Any, Any]:
        """An array, memory-mapped, of a type in `DTYPES`. Values written to it never reach the disk.

        Without `read_ahead` the kernel fetches only pages that are touched: for arrays that may not fit into memory.
        """
        file, expected = array_path(self.path, name), self.meta.files[name]
        array: np.ndarray[Any, Any]
        with _PARSER, damage_told(file, fix=remake_command(self.path.name)):
            # Copy-on-write rather than read-only, because torch warns about arrays that cannot be written to.
            array = np.load(file, mmap_mode="c", allow_pickle=False)
        if (array.shape, array.dtype.name) != (expected.shape, expected.dtype):
            what = f"{file} holds {array.dtype.name}{array.shape}, but {META_FILE} says "
            raise _unfit(self.path, f"{what}{expected.dtype}{expected.shape}")
        mapping: object = array.base
        if not read_ahead and isinstance(mapping, mmap.mmap):
            mapping.madvise(mmap.MADV_RANDOM)
        return array

    def feature_rows(self, nodes: slice = slice(None)) -> np.ndarray[Any, Any]:
        """Features of successive nodes (n, F), as numbers of their own type; of int8, fp32."""
        rows = self.array("features")[nodes]
        return from_int8(rows) if rows.dtype == np.int8 else rows

    def neighbour_ids(self, *, read_ahead: bool = True) -> PackedIds:
        """Ids of all nodes' neighbours (E,), memory-mapped; `read_ahead` as for `array`."""
        return PackedIds(self.array("indices", read_ahead=read_ahead), self.meta.edges, self.meta.id_bits)

    def node_names(self) -> Sequence[str] | None:
        """Names of the nodes in the person's own files, in order of their numbers (N,); None where they have none."""
        if not self.meta.files.keys() >= OPTIONAL_DTYPES.keys():
            return None
        return NodeNames(self.array("node_names"), self.array("node_name_ends"))

    def verify(self) -> None:
        """Read every file whole. DataError names the first whose checksum is not the recorded one."""
        for name, expected in self.meta.files.items():
            file = array_path(self.path, name)
            if sha256(file) != expected.sha256:
                raise _unfit(self.path, f"{file} is damaged: its sha256 is not the one in {META_FILE}")


class NodeNames(Sequence[str]):
    """Names of all nodes, each decoded on access."""

    def __init__(self, text: np.ndarray[Any, Any], ends: np.ndarray[Any, Any]) -> None:
        """`text`: (bytes,) uint8; `ends`: (N,) int64."""
        self._text = text
        self._ends = ends

    def __len__(self) -> int:
        return len(self._ends)

    @overload
    def __getitem__(self, place: int) -> str: ...
    @overload
    def __getitem__(self, place: slice) -> list[str]: ...
    def __getitem__(self, place: int | slice) -> str | list[str]:
        node = range(len(self))[place]
        if not isinstance(node, int):
            return [self[each] for each in node]
        start = self._ends[node - 1] if node else 0
        return self._text[start : self._ends[node]].tobytes().decode("utf-8", "surrogatepass")


def array_path(folder: Path, name: str) -> Path:
    """The file of the array `name`."""
    return folder / f"{name}.npy"


def sha256(file: Path) -> str:
    """Checksum of the whole file, in hexadecimal digits."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _read_meta(path: Path) -> GraphMeta:
    file = path / META_FILE
    text = b""
    try:
        text = file.read_bytes()
        version = decode(text, dict[str, Any]).get("schema_version")
        if version != GRAPH_SCHEMA_VERSION:
            raise _unfit(path, f"{file} has schema version {version}; this picluster reads {GRAPH_SCHEMA_VERSION}")
        meta: GraphMeta = decode(text, GraphMeta)
    except FileNotFoundError:
        raise _unfit(path, f"{path} is not a graph folder: {file} is missing") from None
    except msgspec.DecodeError as error:
        raise _unfit(path, f"{file} cannot be understood: {in_words(error, text)}") from None
    if wrong := _mistake(meta):
        raise _unfit(path, f"{file} does not fit itself: {wrong}")
    return meta


def _mistake(meta: GraphMeta) -> str:
    """Contradiction among the sizes that a `meta.json` tells; empty where there is none."""
    if min(meta.nodes, meta.features, meta.classes, meta.id_bits) < 1 or min([meta.edges, *meta.splits.values()]) < 0:
        return "it has no nodes, features, classes or bits, or a negative number of something"
    if meta.splits.keys() != set(SPLITS):
        return f"its splits are {', '.join(meta.splits)}, not {', '.join(SPLITS)}"
    if "labels" in meta.files and meta.classes > _MOST_CLASSES.get(meta.files["labels"].dtype, 0):
        return f"it has {meta.classes} classes, more than labels can tell apart"
    if meta.class_names and len(meta.class_names) != meta.classes:
        return f"it has {len(meta.class_names)} names for {meta.classes} classes"
    # The structure may be of other nodes than the features: pairs of them, in a pre-training.
    in_int8 = "features" in meta.files and meta.files["features"].dtype == "int8"
    shapes = {
        "indices": (words_for(meta.edges, meta.id_bits),),
        "features": (meta.nodes, meta.features + SCALE_BYTES * in_int8),
        **{split: (size,) for split, size in meta.splits.items()},
    }
    for name, shape in shapes.items():
        if name in meta.files and meta.files[name].shape != shape:
            return f"{name} is {meta.files[name].shape}, where {shape} is expected"
    return ""


def _check_size(path: Path, name: str, meta: GraphMeta, dtypes: tuple[str, ...]) -> None:
    file = array_path(path, name)
    expected = meta.files.get(name)
    if expected is None or expected.dtype not in dtypes:
        found = "nothing" if expected is None else expected.dtype
        raise _unfit(path, f"{path / META_FILE} says {found} of {name}, not {dtypes}")
    try:
        size = file.stat().st_size
    except FileNotFoundError:
        raise _unfit(path, f"{file} is missing") from None
    if size != expected.bytes:
        raise _unfit(path, f"{file} has {size:,} bytes instead of {expected.bytes:,}")


def _unfit(folder: Path, what: str) -> DataError:
    """The error of a graph folder that cannot be used, with the command that makes it anew."""
    return DataError(what, fix=remake_command(folder.name))
