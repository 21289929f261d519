"""A graph that was saved with `torch.save`: a PyG `Data`, its `to_dict()`, or a data set of one graph."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from picluster.errors import DataError
from picluster.graph.own.whole.entries import Entries, Entry, Matrix, Odd, WordList, from_compressed, from_entries
from picluster.graph.own.whole.unpickling import BatchStandIn, StandIn, load

_DATA = "x (N, F), edge_index (2, E) and y (N,)"
_NUMPY_FLOATS = ("torch.float16", "torch.float32", "torch.float64")
_SCIPY = re.compile(r"scipy\.sparse\..*\.(csr|csc|coo)_(matrix|array)")
_WITH_CLASS = 3
"""A data set's file says of which class its graphs are, after the graphs and where each ends."""


def saved_entries(file: Path) -> Entries:
    """The entries of the only graph in a file. DataError where it holds anything else; for other errors see `load`."""
    by_name = {}
    for name, value in _one_graph(load(file), file).items():
        is_inner = isinstance(name, str) and name.startswith("_") and name != "__num_nodes__"  # PyG's own affair
        if value is not None and not is_inner:
            by_name[str(name)] = _entry(value)
    return Entries(file=file, by_name=by_name, owner="data.")


def _one_graph(saved: Any, file: Path) -> Mapping[Any, Any]:
    """The entries of the only graph in what was saved. DataError says what it is instead."""
    if isinstance(saved, tuple) and _is_data_set(saved):
        if len(saved) == _WITH_CLASS:
            _refuse_kinds(getattr(saved[2], "path", ""), file)
        _check_count(_count(saved[1]), "a data set", "dataset", file)
        return _one_graph(saved[0], file)
    if isinstance(saved, list | tuple) and saved and all(_holds_graph(each) for each in saved):
        _check_count(len(saved), "a list", "graphs", file)
        return _one_graph(saved[0], file)
    if isinstance(saved, StandIn):
        return _of_stand_in(saved, file)
    if not isinstance(saved, dict):
        raise DataError(f"{file} holds {_kind(saved)}, not a graph", fix=f"save a Data with {_DATA}")
    if any(isinstance(name, tuple) or name == "_global_store" for name in saved):
        _refuse_kinds("HeteroData", file)
    if "edge_index" not in saved and (inner := [name for name, value in saved.items() if _holds_graph(value)]):
        what = f"{file} holds a dictionary with a graph in it: {', '.join(map(repr, inner))}"
        raise DataError(what, fix=f"save the graph alone: torch.save(saved[{inner[0]!r}], FILE)")
    return saved


def _of_stand_in(saved: StandIn, file: Path) -> Mapping[Any, Any]:
    fields = saved.fields
    _refuse_kinds(saved.path, file)
    if isinstance(saved, BatchStandIn) or "_slice_dict" in fields:
        _check_count(int(fields.get("_num_graphs", 2)), "a batch", "batch", file)
    data = fields.get("_data", fields.get("data"))
    if isinstance(data, StandIn) and "slices" in fields:
        chosen = fields.get("_indices")
        count = _count(fields["slices"]) if chosen is None else len(chosen)
        _check_count(count, "a data set", "dataset", file)
        return _one_graph(data, file)
    store = fields.get("_store")
    if isinstance(store, StandIn):
        mapping: Mapping[Any, Any] = store.fields.get("_mapping", {})
        return mapping
    if "edge_index" in fields:  # a Data of PyG before 2.0
        return fields
    raise DataError(f"{file} holds a {saved.path}, not a graph", fix=f"save a Data with {_DATA}")


def _is_data_set(saved: tuple[Any, ...]) -> bool:
    """True where these are (graphs, where each ends), as PyG's data sets are stored, or (graphs, ends, their class)."""
    if len(saved) not in (_WITH_CLASS - 1, _WITH_CLASS) or not isinstance(saved[0], dict | StandIn):
        return False
    if isinstance(ends := saved[1], dict):  # of a single graph these would be its edges
        return getattr(ends.get("edge_index"), "ndim", 1) <= 1
    return ends is None


def _holds_graph(value: Any) -> bool:
    if isinstance(value, dict):
        return "edge_index" in value
    return isinstance(value, StandIn) and ("_store" in value.fields or "edge_index" in value.fields)


def _count(slices: Any) -> int:
    """The number of graphs that are stored one after the other, by where each ends."""
    if not isinstance(slices, dict):
        return 1
    counts = [_count(ends) if isinstance(ends, dict) else len(ends) - 1 for ends in slices.values()]
    return max(counts, default=1)


def _check_count(count: int, what: str, variable: str, file: Path) -> None:
    if count != 1:
        fix = f"save one of them: torch.save({variable}[0], FILE)"
        raise DataError(f"{file} holds {what} of {count:,} graphs; a graph folder has one", fix=fix)


def _refuse_kinds(path: str, file: Path) -> None:
    kind = path.rpartition(".")[2]
    if "HeteroData" in kind:
        what = f"{file} holds a HeteroData; nodes and edges are of one kind here"
        raise DataError(what, fix="make them one kind: torch.save(data.to_homogeneous(), FILE)")
    if "TemporalData" in kind:
        raise DataError(f"{file} holds a TemporalData: edges in time, not a graph", fix=f"save a Data with {_DATA}")


def _entry(value: Any) -> Entry:
    if isinstance(value, StandIn):
        return _of_saved_matrix(value) or Odd(f"a {value.path}")
    if hasattr(value, "layout") and hasattr(value, "detach"):
        return _of_tensor(value)
    if isinstance(value, np.ndarray | np.generic | int | float):
        return _of_array(np.asarray(value))
    if isinstance(value, list | tuple):
        return _of_list(value)
    return Odd(_kind(value), is_single=isinstance(value, str | bytes))


def _of_tensor(tensor: Any) -> Entry:
    plain = getattr(tensor, "__dict__", {}).get("_data", tensor)  # an EdgeIndex of PyG holds one
    if not str(plain.layout).endswith("strided"):
        return _of_sparse(plain) or Odd(f"a tensor of {plain.layout}")
    try:
        plain = plain.detach().cpu().resolve_conj().resolve_neg()
        plain = plain.dequantize() if plain.is_quantized else plain
        exotic = plain.is_floating_point() and str(plain.dtype) not in _NUMPY_FLOATS
        array: Entry = (plain.float() if exotic else plain).numpy()
    except (TypeError, RuntimeError, NotImplementedError):
        return Odd(f"a tensor of {plain.dtype} without values")
    return array


def _of_sparse(tensor: Any) -> Matrix | None:
    """A sparse tensor of two dimensions; None for other forms."""
    layout = str(tensor.layout).removeprefix("torch.sparse_")
    if tensor.ndim != 2 or layout not in ("coo", "csr", "csc"):  # noqa: PLR2004
        return None
    tensor = tensor.detach().cpu().to_sparse_coo()
    if tensor.sparse_dim() != 2:  # noqa: PLR2004
        return None
    row, column = tensor._indices().numpy()  # noqa: SLF001 - indices() wants entries that are added up
    return from_entries(tensor._values().numpy(), row, column, tensor.shape)  # noqa: SLF001


def _of_saved_matrix(saved: StandIn) -> Matrix | None:
    """A matrix of scipy or a SparseTensor of torch_sparse, from what was saved of it; None for anything else."""
    fields = saved.fields
    if kind := _SCIPY.fullmatch(saved.path):
        shape = fields.get("_shape")
        if kind[1] == "coo":
            row, column = fields.get("coords") or (fields.get("row"), fields.get("col"))
            return from_entries(fields.get("data"), row, column, shape)
        data, indices, indptr = (fields.get(name) for name in ("data", "indices", "indptr"))
        return from_compressed(data, indices, indptr, shape, by_column=kind[1] == "csc")
    storage = fields.get("storage")
    if not saved.path.endswith(".SparseTensor") or not isinstance(storage, StandIn):
        return None
    tensors = (storage.fields.get(name) for name in ("_row", "_rowptr", "_col", "_value"))
    row, rowptr, column, values = (None if part is None else part.detach().cpu().numpy() for part in tensors)
    if column is None:
        return None
    data = np.ones(len(column), np.float32) if values is None else values
    if row is not None:
        return from_entries(data, row, column, storage.fields.get("_sparse_sizes"))
    return from_compressed(data, column, rowptr, storage.fields.get("_sparse_sizes"))


def _of_array(array: Any) -> Entry:
    if array.dtype.kind == "O":
        return _of_list(array.tolist()) if array.ndim == 1 else Odd("an array of Python objects")
    if array.dtype.kind in "US" and array.ndim == 1:
        return _of_list(array.astype(str).tolist())
    return array if array.dtype.kind in "iufbc" else Odd(f"an array of {array.dtype}")


def _of_list(values: Any) -> Entry:
    if values and all(isinstance(value, str) for value in values):
        return WordList(tuple(value.encode("utf-8", "replace").decode() for value in values))
    try:
        array = np.array(values)
    except (TypeError, ValueError, RuntimeError):
        return Odd("a list")
    return array if array.dtype.kind in "iufb" and array.size else Odd("a list")


def _kind(value: Any) -> str:
    if isinstance(value, type) and issubclass(value, StandIn):
        return f"the class {value.path}"
    names = {"dict": "a dictionary", "str": "a text", "list": "a list", "tuple": "a tuple", "Tensor": "a tensor"}
    name = type(value).__name__
    return names.get(name, f"a {name}")
