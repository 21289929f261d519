"""Cora, CiteSeer and PubMed with the public split of Planetoid (Yang, Cohen and Salakhutdinov, ICML 2016).

Read by PyG's own reader, from raw files that lie in the input folder or else are downloaded through PyG.
PyG is imported only where it is used: it is heavy, and only the worker's extra brings it.
"""

import contextlib
import importlib
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from picluster.errors import MissingError
from picluster.graph.precision import fitting_dtype
from picluster.graph.public.raw_files import damaged, raw_files, run_download
from picluster.graph.writer import GraphWriter

_PYG_NAMES = {"cora": "Cora", "citeseer": "CiteSeer", "pubmed": "PubMed"}
PARTS = ("x", "tx", "allx", "y", "ty", "ally", "graph", "test.index")
DOWNLOAD_TIMEOUT_S = 300

_DOWNLOAD = "import sys; from torch_geometric.datasets import Planetoid; Planetoid(sys.argv[1], sys.argv[2])"


def is_found(name: str, input_folder: Path) -> bool:
    """Whether any raw file of the data set is in the input folder."""
    return any((input_folder / "planetoid").glob(f"ind.{name}.*"))


def download(root: Path, name: str) -> Path:
    """Lets PyG download the raw files below `root`; returns their folder. DataError says why that was not possible."""
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
    """Writes the graph folder `path`. The rows of the features sum to 1 (Kipf and Welling, ICLR 2017).

    DataError where the raw files are damaged, or are neither in `input_folder` nor can be downloaded; MissingError
    without PyG.
    """
    reader = _pyg_reader()
    files = [f"ind.{name}.{part}" for part in PARTS]
    with raw_files(name, input_folder / "planetoid", files, lambda root: fetch(root, name), path) as folder:
        _convert(reader, folder, path, name, feature_dtype)


def _pyg_reader() -> Any:
    """PyG's module that reads Planetoid's raw files."""
    try:
        with _no_warnings():
            return importlib.import_module("torch_geometric.io.planetoid")
    except ImportError as error:
        raise MissingError(f"reading this data set needs torch_geometric: {error}", fix="make setup") from None


def _convert(reader: Any, folder: Path, path: Path, name: str, feature_dtype: str) -> None:
    _check_readable(reader, folder, name)
    with _no_warnings():
        data = reader.read_planetoid_data(str(folder), name)
    source, target = data.edge_index.numpy()
    nodes = len(data.y)
    labels = data.y.numpy().astype(np.int16)
    origin = f"Planetoid {_PYG_NAMES[name]}, public split"
    with GraphWriter(path, source=origin, classes=int(labels.max()) + 1) as writer:
        # PyG's reader has sorted the edges by (target, source) and removed duplicates and self-loops.
        writer.write("indptr", np.concatenate(([0], np.cumsum(np.bincount(target, minlength=nodes)))))
        writer.write("indices", source.astype(np.int32))
        rows = rows_to_sum_one(data.x.numpy())
        writer.write("features", rows.astype(fitting_dtype(rows, feature_dtype)))
        writer.write("labels", labels)
        for split, mask in (("train", data.train_mask), ("validation", data.val_mask), ("test", data.test_mask)):
            writer.write(split, np.flatnonzero(mask.numpy()).astype(np.int32))


def _check_readable(reader: Any, folder: Path, name: str) -> None:
    """DataError names the file that PyG cannot read, or the list of test nodes that ends too early."""
    rows = {}
    for part in PARTS:
        file = folder / f"ind.{name}.{part}"
        try:
            with _no_warnings():
                rows[part] = reader.read_file(str(folder), name, part)
        except Exception as error:  # noqa: BLE001 - unpickling damaged bytes may raise anything
            raise damaged(file, f"{type(error).__name__}: {error}") from None
    test_nodes = rows["test.index"].numpy()
    found = len(np.unique(test_nodes[test_nodes >= len(rows["allx"])]))
    if found != len(rows["tx"]):
        raise damaged(folder / f"ind.{name}.test.index", f"{found} test nodes instead of {len(rows['tx'])}")


@contextlib.contextmanager
def _no_warnings() -> Iterator[None]:
    """PyG warns about torch when it is imported, and numpy and scipy about the age of the pickles."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def rows_to_sum_one(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    """Rows of zeros stay zeros. `rows`: (N, F)."""
    normalised: NDArray[np.float32] = rows / np.maximum(rows.sum(axis=1, keepdims=True), 1e-12)
    return normalised
