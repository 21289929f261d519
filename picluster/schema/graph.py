"""Contents of `meta.json`, by which a graph folder describes itself."""

from typing import Literal

from picluster.schema.record import Record

GRAPH_SCHEMA_VERSION = 2

Split = Literal["train", "validation", "test"]


class ArrayFile(Record, frozen=True, kw_only=True):
    """One memory-mapped `.npy` file of a graph folder."""

    shape: tuple[int, ...]
    """Sizes of the array, rows first."""
    dtype: str
    """numpy's name, such as `int32`."""
    bytes: int
    """Size of the file on disk."""
    sha256: str
    """Checksum of the whole file, in hexadecimal digits."""


class GraphMeta(Record, frozen=True, kw_only=True):
    """Sizes and checksums of a graph folder."""

    schema_version: int = GRAPH_SCHEMA_VERSION
    name: str
    """Name of the folder, such as `cora` or `reddit-like-0.01`."""
    source: str
    """Origin of the data, in words."""
    nodes: int
    edges: int
    """Number of directed edges."""
    id_bits: int = 0
    """Number of bits of each id in `indices`; 0 in what was recorded of folders of version 1."""
    features: int
    classes: int
    """Number of classes; labels run from 0."""
    splits: dict[str, int]
    """Number of nodes in `train`, `validation` and `test`."""
    files: dict[str, ArrayFile]
    """`indptr`, `indices`, `features`, `labels`, `train`, `validation`, `test`; and where nodes have names of
    their own, `node_names` and `node_name_ends`."""
    class_names: tuple[str, ...] = ()
    """Name of each class, in order of its number; empty where the labels were numbers."""
