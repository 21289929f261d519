"""One's own graph: what it consists of, wherever it was read."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from picluster.graph.own.table import Table


@dataclass(frozen=True, kw_only=True)
class OwnGraph:
    """A graph as a person gives it; nothing is checked yet."""

    edges: Table
    """(E, 2): source, target."""
    features: Table
    """(N, F), in the order of the nodes, or with a column that says which."""
    labels: Table
    """(N, 1), or (M, 2): node, label. Numbers from 0 (-1: unlabelled), or words."""
    splits: Table | Mapping[str, NDArray[Any]] | None
    """(N, 1) or (M, 2) words; or ids or a mask for each split; or nothing: drawn by a seed."""
    splits_source: str = ""
    """Where they stand, for messages."""
    origin: str
    """Where the graph is from, in words."""
    node_names: Sequence[str] = ()
    """(N,) the person's own id of each node, where nodes were not numbered; the tables above hold numbers."""
    notes: tuple[str, ...] = ()
    """Sentences: how the files were understood, and what was passed over."""
