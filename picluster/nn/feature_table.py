"""Features of all nodes in int8, read as rows of fp32."""

from __future__ import annotations

from typing import Any, cast, overload

import torch
from torch import Tensor

from picluster.rounding import SCALE_BYTES


class FeatureTable:
    """Table (N, width) of int8 that stands where a tensor of features would; rows of fp32 come out of it.

    Blocks take it as a source. A layer may read `shape` and `index_select(0, ids)`, or columns: `table[:, 2:5]`. All
    else is refused: it would need the whole table in fp32.
    """

    dtype = torch.int8

    def __init__(self, packed: Tensor, columns: slice = slice(None)) -> None:
        """`packed`: (N, width + 4), as `picluster.rounding.to_int8` packs rows."""
        self._packed, self._columns = packed, columns
        self.shape = packed[:, :-SCALE_BYTES][:, columns].shape

    def __len__(self) -> int:
        return len(self._packed)

    def index_select(self, dim: int, ids: Tensor) -> Tensor:
        """Rows of the nodes `ids` (n,), in fp32: (n, width)."""
        if dim != 0:
            raise IndexError("features in int8 are read row by row: index_select(0, ids)")
        rows = self._packed.index_select(0, ids)
        scales = rows[:, -SCALE_BYTES:].clone(memory_format=torch.contiguous_format).view(torch.float32)
        return rows[:, :-SCALE_BYTES][:, self._columns].float().mul_(scales)

    @overload
    def __getitem__(self, place: slice) -> Tensor: ...
    @overload
    def __getitem__(self, place: tuple[slice, slice]) -> FeatureTable: ...
    def __getitem__(self, place: slice | tuple[slice, slice]) -> Tensor | FeatureTable:
        """Give successive rows in fp32, or a table of some of the columns."""
        match place:
            case slice():
                return self.index_select(0, torch.arange(len(self))[place])
            case (slice(start=None, stop=None, step=None), slice() as columns):
                return FeatureTable(self._packed, columns)
        raise IndexError(f"features in int8 are read by index_select(0, ids), not by [{place}]")

    def __getattr__(self, name: str) -> Any:
        """Refuse what only a tensor has."""
        how = "block.mean, block.weighted_sum, block.targets or index_select(0, ids)"
        raise AttributeError(f"features in int8 have no `{name}`: read their rows by {how}")


def source_of(stored: Tensor) -> Tensor:
    """Give features as layers read them: `stored`, or where that is packed int8 (N, width + 4) a `FeatureTable`."""
    return cast("Tensor", FeatureTable(stored)) if stored.dtype == torch.int8 else stored
