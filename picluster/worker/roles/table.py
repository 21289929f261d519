"""The rows of all nodes after one layer, for exact inference: in memory where they are few, else in a file."""

from __future__ import annotations

import os
import tempfile
from typing import TYPE_CHECKING

import numpy as np
import torch

from picluster.errors import RunFailed

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from torch import Tensor

_SMALL_BYTES = 16 << 20


class RowTable:
    """Named fp32 tensors with one row for every node. A file has no name, so nothing can be left behind."""

    def __init__(self, nodes: int, widths: Mapping[str, int], folder: str) -> None:
        """`folder`: where a file may be made. RunFailed where there is no room for it."""
        self.tensors = {name: _empty(nodes, width, folder) for name, width in widths.items()}

    def write(self, begin: int, parts: Sequence[Tensor]) -> None:
        """Put down the rows of successive nodes, one part for each of the tensors."""
        for table, part in zip(self.tensors.values(), parts, strict=True):
            table[begin : begin + len(part)] = part


def _empty(nodes: int, width: int, folder: str) -> Tensor:
    size = nodes * width * 4
    if size <= _SMALL_BYTES:
        return torch.empty(nodes, width)
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            if hasattr(os, "posix_fallocate"):  # a full disk would otherwise show only as SIGBUS
                os.posix_fallocate(file.fileno(), 0, size)
            mapped = np.memmap(file, np.float32, "w+", shape=(nodes, width))
    except OSError as error:
        text = f"no room for {size / 1e6:,.0f} MB of rows in {folder}: {error.strerror}"
        raise RunFailed(
            text, fix="make room there, or evaluate with sampled neighbours: --validation sampled --test sampled"
        ) from error
    return torch.from_numpy(mapped)
