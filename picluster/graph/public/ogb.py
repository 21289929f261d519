"""ogbn-arxiv and ogbn-products (Hu et al., NeurIPS 2020) from the raw CSV files of the Open Graph Benchmark.

The `ogb` package is needed only to download them; its reader would want pandas and several times the memory.
"""

import contextlib
import gzip
import importlib.util
import warnings
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TextIO

import numpy as np
from numpy.typing import NDArray

from picluster.errors import DataError, MissingError
from picluster.graph.edges import distinct_edges
from picluster.graph.folder import SPLITS
from picluster.graph.public.raw_files import raw_files, run_download
from picluster.graph.writer import FeatureRows, GraphWriter

SPLIT_FOLDERS = {"ogbn-arxiv": "split/time", "ogbn-products": "split/sales_ranking"}
"""Folder of the published split in a data set's folder."""
DOWNLOAD_TIMEOUT_S = 3600
"""Time for 1.4 GB of products."""

_RAW = tuple(f"raw/{name}.csv.gz" for name in ("num-node-list", "num-edge-list", "edge", "node-feat", "node-label"))
_SPLIT_FILES = ("train", "valid", "test")
_DOWNLOAD = """
import sys
from ogb.nodeproppred import dataset
dataset.read_csv_graph_raw = lambda *_, **__: sys.exit(0)  # only the raw files are wanted
dataset.NodePropPredDataset(sys.argv[2], root=sys.argv[1])
"""
_CHUNK_ROWS = 1 << 16


def download(root: Path, name: str) -> Path:
    """Download the raw files below `root`; returns their folder. DataError where it fails, MissingError without ogb."""
    if importlib.util.find_spec("ogb") is None:
        raise MissingError(f"downloading {name} needs the package ogb", fix="pip install ogb")
    # It asks before it downloads more than 1 GB.
    run_download(_DOWNLOAD, str(root), name, timeout_s=DOWNLOAD_TIMEOUT_S, answer="y\n")
    return root / name.replace("-", "_")


def write_ogb(
    path: Path,
    *,
    name: str,
    input_folder: Path,
    feature_dtype: str,
    fetch: Callable[[Path, str], Path] = download,
) -> None:
    """Write the graph folder `path`: every edge in both directions, each once, without self-loops; features as given.

    The peak is 16 bytes for each edge that the files list: 1 GB for products.
    DataError where the raw files are damaged, or are neither in `input_folder` nor can be downloaded; MissingError
    where they would have to be and ogb is missing.
    """
    split_files = [f"{SPLIT_FOLDERS[name]}/{split}.csv.gz" for split in _SPLIT_FILES]
    source = input_folder / name.replace("-", "_")
    with raw_files(name, source, (*_RAW, *split_files), lambda root: fetch(root, name), path) as folder:
        nodes, edges = (int(_read(folder / file, np.int64)[0, 0]) for file in _RAW[:2])
        ids = np.empty((edges, 2), np.int32)
        _fill(ids, folder / _RAW[2], np.int32)
        _check_ids(ids, nodes, folder / _RAW[2])
        labels = np.empty((nodes, 1), np.int16)
        _fill(labels, folder / _RAW[4], np.int16)
        width = _read(folder / _RAW[3], np.float32, rows=1).shape[1]
        with GraphWriter(path, source=f"OGB {name}, published split", classes=int(labels.max()) + 1) as writer:
            _fill(writer.create_features((nodes, width), feature_dtype), folder / _RAW[3], np.float32)
            distinct_edges(ids[:, 0], ids[:, 1]).write(writer, nodes)
            writer.write("labels", labels[:, 0])
            splits = [_read(folder / file, np.int32)[:, 0] for file in split_files]
            for split, file in zip(splits, split_files, strict=True):
                _check_ids(split, nodes, folder / file)
            writer.write_splits(dict(zip(SPLITS, splits, strict=True)))


def _read(file: Path, dtype: type, rows: int | None = None) -> NDArray[Any]:
    """(rows, columns) The first `rows` of a file, or all. DataError where it is damaged or empty."""
    with _opened(file) as stream:
        array = _next_rows(stream, dtype, rows)
    if not len(array):
        raise _damaged(file, "it is empty")
    return array


def _fill(array: NDArray[Any] | FeatureRows, file: Path, dtype: type) -> None:
    """Fill `array` (rows, columns) from a file, read as `dtype`. DataError where it has fewer or more rows."""
    filled = 0
    with _opened(file) as stream:
        while filled < len(array):
            rows = _next_rows(stream, dtype, min(_CHUNK_ROWS, len(array) - filled))
            if array.dtype == np.float16 and np.abs(rows).max(initial=0) > np.finfo(np.float16).max:
                raise DataError(f"{file} has a value beyond fp16's 65,504", fix="--features fp32 stores more")
            array[filled : filled + len(rows)] = rows
            filled += len(rows)
            if not len(rows):
                break
        surplus = stream.readline()
    if filled < len(array) or surplus:
        raise _damaged(file, f"it has {'more' if surplus else filled} rows, not {len(array)}")


def _next_rows(stream: TextIO, dtype: type, rows: int | None) -> NDArray[Any]:
    with warnings.catch_warnings(action="ignore"):  # numpy warns where there are none
        return np.loadtxt(stream, dtype, delimiter=",", comments=None, ndmin=2, max_rows=rows)


@contextlib.contextmanager
def _opened(file: Path) -> Iterator[TextIO]:
    """Open the text of a `.csv.gz`. Errors of numpy and gzip in reading it become DataError."""
    try:
        with gzip.open(file, "rt", encoding="utf-8") as stream:
            yield stream
    except (ValueError, EOFError, OSError, zlib.error) as error:
        raise _damaged(file, str(error)) from None


def _check_ids(ids: NDArray[Any], nodes: int, file: Path) -> None:
    if not 0 <= ids.min() <= ids.max() < nodes:
        raise _damaged(file, f"nodes {ids.min()} to {ids.max()}, but there are {nodes}")


def _damaged(file: Path, how: str) -> DataError:
    return DataError(f"{file} is damaged: {how}", fix="fetch it again, or move its folder away to have it downloaded")
