"""A `torch_geometric.data.Data`, or its `to_dict()`, that was saved with `torch.save`.

Read with `weights_only=True`: a file from elsewhere can hold tensors, but cannot run code.
"""

import importlib
import re
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from picluster.errors import DataError, InputError, MissingError
from picluster.graph.own.own_graph import OwnGraph
from picluster.graph.own.table import Table, as_table

_MASKS = {"train": "train_mask", "validation": "val_mask", "test": "test_mask"}

_SAFE = (
    ("torch_geometric.data.data", "Data"),
    ("torch_geometric.data.data", "DataEdgeAttr"),
    ("torch_geometric.data.data", "DataTensorAttr"),
    ("torch_geometric.data.storage", "GlobalStorage"),
)
"""What a saved Data consists of beside tensors. PyG itself does not tell torch of all of them."""


def read_pyg(file: Path) -> OwnGraph:
    """Its `x`, `edge_index`, `y` and, where there are any, `train_mask`, `val_mask` and `test_mask`.

    InputError where there is no such file; DataError where something is missing in it, or it holds more than tensors;
    MissingError without torch or PyG.
    """
    if not file.is_file():
        raise InputError(f"there is no file {file}")
    data = _load(file)
    if missing := [name for name in ("x", "edge_index", "y") if data.get(name) is None]:
        fix = "save a Data with x (N, F), edge_index (2, E) and y (N,)"
        raise DataError(f"{file} holds no {', '.join(missing)}", fix=fix)
    edges = as_table(_array(data, "edge_index", file).T, "ids", f"edge_index of {file}")
    labels = _array(data, "y", file)
    if labels.ndim > 1 and labels.shape[1:] != (1,):
        raise DataError(f"y of {file} has the shape {labels.shape}, not (N,)", fix="one label for each node")
    splits: dict[str, NDArray[Any]] | None = None
    if data.get("train_mask") is not None:
        splits = {name: _mask(data, mask, file) for name, mask in _MASKS.items()}
    return OwnGraph(
        edges=Table(rows=edges.rows, where=lambda edge: f"edge_index of {file}, column {edge} (from 0)"),
        features=as_table(_array(data, "x", file), "numbers", f"x of {file}"),
        labels=as_table(labels, "ids", f"y of {file}"),
        splits=splits,
        splits_source=f"the masks of {file}",
        origin=f"imported from {file.name}",
    )


def _load(file: Path) -> Mapping[str, Any]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # PyG warns about torch when it is imported
            torch = importlib.import_module("torch")
            classes = [getattr(importlib.import_module(module), name) for module, name in _SAFE]
    except ImportError as error:
        raise MissingError(f"reading {file} needs torch_geometric: {error}", fix="make setup") from None
    known = torch.serialization.get_safe_globals()  # torch forgets at the end even those that PyG has named
    try:
        with torch.serialization.safe_globals([kind for kind in classes if kind not in known]):
            data = torch.load(file, map_location="cpu", weights_only=True)
        mapping: Mapping[str, Any] = data if isinstance(data, dict) else data.to_dict()
    except Exception as error:  # noqa: BLE001 - a file that is no Data may raise anything
        stranger = re.search(r"GLOBAL (\S+)", str(error))
        why = f"it holds {stranger[1]}" if stranger else type(error).__name__
        fix = "save tensors alone: torch.save(data.to_dict(), FILE)"
        raise DataError(f"{file} cannot be read as a graph of tensors: {why}", fix=fix) from None
    return mapping


def _array(data: Mapping[str, Any], name: str, file: Path) -> NDArray[Any]:
    try:
        array: NDArray[Any] = data[name].numpy()
    except (AttributeError, TypeError, RuntimeError) as error:
        fix = "save dense tensors of an ordinary dtype: .to_dense(), .float(), .detach()"
        raise DataError(f"{name} of {file} cannot become a numpy array: {error}", fix=fix) from None
    return array


def _mask(data: Mapping[str, Any], name: str, file: Path) -> NDArray[Any]:
    mask = np.zeros(0, np.int64) if data.get(name) is None else _array(data, name, file)
    if mask.ndim != 1:
        fix = f"choose one of its splits: data.{name} = data.{name}[:, 0]"
        raise DataError(f"{name} of {file} has the shape {mask.shape}, not (N,)", fix=fix)
    return mask
