"""Sparse matrices in the forms that people save: scipy's, torch's, torch_sparse's, and those of numpy archives."""

import re
from typing import Any

import numpy as np

from picluster.graph.own.whole.entries import Matrix
from picluster.graph.own.whole.unpickling import StandIn

_SCIPY = re.compile(r"scipy\.sparse\..*\.(csr|csc|coo)_(matrix|array)")


def from_compressed(data: Any, indices: Any, indptr: Any, shape: Any, *, by_column: bool = False) -> Matrix | None:
    """A matrix in compressed rows (CSR), or columns (CSC); None where its parts do not fit together."""
    indptr, size = np.asarray(indptr), _size(shape)
    if size is None or indptr.shape != (size[by_column] + 1,) or not _are_one_long(data, indices):
        return None
    counts = np.diff(indptr)
    if indptr[0] != 0 or indptr[-1] != len(indices) or (counts < 0).any():
        return None
    lines = np.repeat(np.arange(len(counts)), counts)
    row, column = (indices, lines) if by_column else (lines, indices)
    return _checked(row, column, data, size)


def from_entries(data: Any, row: Any, column: Any, shape: Any) -> Matrix | None:
    """A matrix entry by entry (COO); None where its parts do not fit together."""
    size = _size(shape)
    if size is None or not _are_one_long(data, row, column):
        return None
    return _checked(row, column, data, size)


def from_torch(tensor: Any) -> Matrix | None:
    """A sparse tensor of two dimensions; None for other forms."""
    layout = str(tensor.layout).removeprefix("torch.sparse_")
    if tensor.ndim != 2 or layout not in ("coo", "csr", "csc"):  # noqa: PLR2004
        return None
    tensor = tensor.detach().cpu().to_sparse_coo()
    if tensor.sparse_dim() != 2:  # noqa: PLR2004
        return None
    row, column = tensor._indices().numpy()  # noqa: SLF001 - indices() wants entries that are added up
    return from_entries(tensor._values().numpy(), row, column, tensor.shape)  # noqa: SLF001


def from_stand_in(saved: StandIn) -> Matrix | None:
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


def _size(shape: Any) -> tuple[int, int] | None:
    try:
        rows, columns = (int(length) for length in shape)
    except (TypeError, ValueError):
        return None
    return rows, columns


def _are_one_long(*parts: Any) -> bool:
    arrays = [isinstance(part, np.ndarray) and part.ndim == 1 for part in parts]
    return all(arrays) and len({len(part) for part in parts}) == 1


def _checked(row: Any, column: Any, values: Any, size: tuple[int, int]) -> Matrix | None:
    for ids, limit in ((row, size[0]), (column, size[1])):
        if ids.dtype.kind not in "iu" or (len(ids) and not 0 <= ids.min() <= ids.max() < limit):
            return None
    return Matrix(row, column, values, size)
