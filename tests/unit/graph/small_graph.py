"""A graph of four nodes, and what it takes to write it."""

from pathlib import Path
from typing import Any

import numpy as np

from picluster.graph.writer import GraphWriter

ARRAYS: dict[str, np.ndarray[Any, Any]] = {
    "indptr": np.array([0, 1, 3, 4, 4], np.int64),
    "indices": np.array([1, 0, 2, 1], np.int32),
    "features": np.arange(12, dtype=np.float16).reshape(4, 3),
    "labels": np.array([0, 1, 1, -1], np.int16),
    "train": np.array([0, 1], np.int32),
    "validation": np.array([2], np.int32),
    "test": np.array([], np.int32),
}


def write_small_graph(path: Path, *, leave_out: str = "", **changes: np.ndarray[Any, Any]) -> None:
    with GraphWriter(path, source="four nodes", classes=2) as writer:
        for name, array in (ARRAYS | changes).items():
            if name != leave_out:
                writer.write(name, array)
