"""Cora, CiteSeer and PubMed with the public split of Planetoid (Yang, Cohen and Salakhutdinov, ICML 2016).

PyG's own reader is imported only where it is used: it is heavy, and only the worker's extra brings it.
"""

import importlib
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from picluster.errors import DataError, MissingError
from picluster.graph.edges import distinct_edges
from picluster.graph.folder import SPLITS
from picluster.graph.precision import fitting_dtype
from picluster.graph.public.raw_files import damaged, raw_files, run_download
from picluster.graph.writer import GraphWriter

_PYG_NAMES = {"cora": "Cora", "citeseer": "CiteSeer", "pubmed": "PubMed"}
PARTS = ("x", "tx", "allx", "y", "ty", "ally", "graph", "test.index")
DOWNLOAD_TIMEOUT_S = 300

_DOWNLOAD = "import sys; from torch_geometric.datasets import Planetoid; Planetoid(sys.argv[1], sys.argv[2])"


def download(root: Path, name: str) -> Path:
    """Download the raw files through PyG below `root`; returns their folder. DataError says why that failed."""
    run_download(_DOWNLOAD, str(root), _PYG_NAMES[name], timeout_s=DOWNLOAD_TIMEOUT_S)
    return root / _PYG_NAMES[name] / "raw"


def write_planetoid(
    path: Path,
    *,
    name: str,
    input_folder: Path,
    feature_dtype: str,
    fetch: Callable[[Path, str], Path] = download,
) -> None:
    """Write the graph folder `path`. The rows of the features sum to 1 (Kipf and Welling, ICLR 2017).

    DataError where the raw files are damaged, or are neither in `input_folder` nor can be downloaded; MissingError
    without PyG.
    """
    try:
        with warnings.catch_warnings(action="ignore"):  # PyG's about torch; below numpy's and scipy's about old pickles
            reader = importlib.import_module("torch_geometric.io.planetoid")
    except ImportError as error:
        raise MissingError(f"reading this data set needs torch_geometric: {error}", fix="make setup") from None
    files = [f"ind.{name}.{part}" for part in PARTS]
    with raw_files(name, input_folder / "planetoid", files, lambda root: fetch(root, name), path) as folder:
        _check_readable(reader, folder, name)
        with warnings.catch_warnings(action="ignore"):
            data = reader.read_planetoid_data(str(folder), name)
    labels = data.y.numpy().astype(np.int16)
    rows = rows_to_sum_one(data.x.numpy(), folder)
    origin = f"Planetoid {_PYG_NAMES[name]}, public split"
    with GraphWriter(path, source=origin, classes=int(labels.max()) + 1) as writer:
        distinct_edges(*data.edge_index.numpy(), directed=True).write(writer, len(labels))
        writer.write_features(rows, fitting_dtype(rows, feature_dtype))
        writer.write("labels", labels)
        masks = (data.train_mask, data.val_mask, data.test_mask)
        writer.write_splits({split: np.flatnonzero(mask.numpy()) for split, mask in zip(SPLITS, masks, strict=True)})


def _check_readable(reader: Any, folder: Path, name: str) -> None:
    """DataError where PyG cannot read a file, which it names, or the list of test nodes ends too early."""
    rows = {}
    for part in PARTS:
        file = folder / f"ind.{name}.{part}"
        try:
            with warnings.catch_warnings(action="ignore"):
                rows[part] = reader.read_file(str(folder), name, part)
        except Exception as error:  # noqa: BLE001 - unpickling damaged bytes may raise anything
            raise damaged(file, f"{type(error).__name__}: {error}") from None
    test_nodes = rows["test.index"].numpy()
    found = len(np.unique(test_nodes[test_nodes >= len(rows["allx"])]))
    if found != len(rows["tx"]):
        raise damaged(folder / f"ind.{name}.test.index", f"{found} test nodes instead of {len(rows['tx'])}")


def rows_to_sum_one(rows: NDArray[np.float32], source: Path) -> NDArray[np.float32]:
    """(N, F) `rows` from a file or folder, each divided by its sum; rows of zeros stay zeros.

    DataError names the source and the first node whose sum is no number.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        sums = rows.sum(axis=1, keepdims=True)
    if not np.isfinite(sums).all():
        what = f"{source} is damaged: the values of node {np.argmin(np.isfinite(sums))} have no sum"
        raise DataError(what, fix="fetch it again")
    normalised: NDArray[np.float32] = rows / np.maximum(sums, 1e-12)
    return normalised
