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
    """(N, F)."""
    feature_names: tuple[str, ...] = ()
    """(F,), for messages; none where columns have no names."""
    labels: Table
    """(M, 1) numbers or words, with the node of each where not the row's own; or an array (M, 2): node, label."""
    class_names: Sequence[str] = ()
    """The name of each class, where labels are numbers that have names."""
    splits: Table | Mapping[str, NDArray[Any]] | None
    """As labels, words; or ids or a mask for each split; or nothing: drawn by a seed."""
    splits_source: str = ""
    """Where they stand, for messages."""
    origin: str
    """Where the graph is from, in words."""
    node_names: Sequence[str] = ()
    """(N,) the person's own id of each node, where nodes were not numbered; the tables above hold numbers."""
    missing: tuple[str, ...] = ()
    """Words for a node without a label, beside those that are known."""
    notes: tuple[str, ...] = ()
    """Sentences: how the files were understood, and what was passed over."""
