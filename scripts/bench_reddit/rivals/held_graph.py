"""The graph as a rival holds it: in memory, with ids in 64 bits, unless its features stay in their file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from picluster.graph.folder import SPLITS, GraphFolder
from picluster.graph.packing import PackedIds

Ids = NDArray[np.int32]


@dataclass(frozen=True)
class HeldGraph:
    """Arrays of a graph."""

    features: Tensor
    """(N, F) in fp32."""
    labels: Tensor
    """(N,)"""
    classes: int
    indptr: NDArray[np.int64]
    """(N + 1,)"""
    packed_ids: PackedIds
    """(E,) of all nodes' neighbours."""
    splits: dict[str, Ids]

    def neighbours(self) -> Tensor:
        """Neighbours' ids of all nodes, one after the other: (E,) in 64 bits, as PyG holds them."""
        return torch.from_numpy(np.asarray(self.packed_ids[:]).astype(np.int64))


def hold(path: str, *, mapped: bool) -> HeldGraph:
    """Read a graph folder with features in fp32; `mapped` leaves these in their file."""
    graph = GraphFolder.open(path)
    features: NDArray[Any] = graph.array("features")
    return HeldGraph(
        features=torch.from_numpy(features if mapped else np.array(features)),
        labels=torch.from_numpy(graph.array("labels").astype(np.int64)),
        classes=graph.meta.classes,
        indptr=np.array(graph.array("indptr")),
        packed_ids=graph.neighbour_ids(),
        splits={split: np.array(graph.array(split)) for split in SPLITS},
    )
