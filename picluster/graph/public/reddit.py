"""Reddit (Hamilton, Ying and Leskovec, NeurIPS 2017) from the raw files that PyG's and DGL's `Reddit` read.

`reddit_data.npz` holds `feature`, `label` and `node_types`, `reddit_graph.npz` a sparse matrix in COO form.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from picluster.graph.edges import Edges, distinct_edges
from picluster.graph.folder import SPLITS
from picluster.graph.names import REDDIT
from picluster.graph.precision import fitting_dtype
from picluster.graph.public.raw_files import damaged, raw_files, run_download
from picluster.graph.writer import GraphWriter

FILES = ("reddit_data.npz", "reddit_graph.npz")
DOWNLOAD_TIMEOUT_S = 3600
"""Time for 1.3 GB."""

_DOWNLOAD = """
import sys
from torch_geometric.datasets import Reddit
Reddit.process = Reddit.load = lambda *_: None  # only the raw files are wanted: PyG's conversion takes 8 GB
Reddit(sys.argv[1])
"""
_CHUNK_ROWS = 1 << 14


def download(root: Path) -> Path:
    """Download the raw files through PyG below `root`; returns their folder. DataError says why that failed."""
    run_download(_DOWNLOAD, str(root), timeout_s=DOWNLOAD_TIMEOUT_S)
    return root / "raw"


def write_reddit(
    path: Path, *, input_folder: Path, feature_dtype: str, fetch: Callable[[Path], Path] = download
) -> None:
    """Write the graph folder `path`: every edge in both directions, each once, without self-loops.

    Features stay as they are, standardised. Memory peaks while the edges are sorted: 16 bytes for each of the
    114.6 million, 1.9 GB; features take 0.6 GB at another time (1.1 GB where the file holds float64).
    DataError where the raw files are damaged, or are neither in `input_folder` nor can be downloaded.
    """
    with raw_files(REDDIT, input_folder / REDDIT, FILES, fetch, path) as folder:
        data, matrix = (folder / file for file in FILES)
        labels = _member(data, "label").reshape(-1)
        types = _member(data, "node_types").reshape(-1)
        with GraphWriter(path, source="Reddit, published split", classes=int(labels.max(initial=0)) + 1) as writer:
            nodes = _write_features(writer, data, feature_dtype)
            if len(labels) != nodes or len(types) != nodes:
                what = f"{nodes} rows of features, {len(labels)} labels and {len(types)} node types"
                raise damaged(data, what)
            _read_edges(matrix, nodes).write(writer, nodes)
            writer.write("labels", labels.astype(np.int16))
            writer.write_splits({name: np.flatnonzero(types == kind) for kind, name in enumerate(SPLITS, 1)})


def _write_features(writer: GraphWriter, file: Path, feature_dtype: str) -> int:
    """Write the features; returns the number of nodes."""
    features = _member(file, "feature")
    written = writer.create_features(features.shape[:2], fitting_dtype(features, feature_dtype))
    for start in range(0, len(features), _CHUNK_ROWS):
        written[start : start + _CHUNK_ROWS] = features[start : start + _CHUNK_ROWS]
    written.flush()
    return len(features)


def _read_edges(file: Path, nodes: int) -> Edges:
    # Not by scipy's `load_npz`, which would read a number for every edge too.
    row, column = _member(file, "row"), _member(file, "col")
    if row.shape != column.shape:
        raise damaged(file, f"{len(row)} rows, but {len(column)} columns of edges")
    for ids in (row, column):
        if len(ids) and not 0 <= ids.min() <= ids.max() < nodes:
            raise damaged(file, f"nodes {ids.min()} to {ids.max()}, but there are {nodes}")
    return distinct_edges(row, column)


def _member(file: Path, name: str) -> NDArray[Any]:
    """One array of the archive, without reading the others."""
    try:
        with file.open("rb") as stream, np.load(stream, allow_pickle=False) as archive:
            array: NDArray[Any] = archive[name]
            return array
    except Exception as error:  # noqa: BLE001 - reading a damaged archive may raise anything
        raise damaged(file, f"{name} cannot be read: {error}") from None
