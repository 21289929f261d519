"""Entries of a file that make the graph: by the names that PyG, OGB and the usual archives give them.

An entry that is not used is named, and what belongs to edges is refused, unless it is skipped.
"""

import shlex
from collections.abc import Sequence
from typing import Any, NamedTuple

from numpy.typing import NDArray

from picluster.errors import DataError
from picluster.graph.own.labels import read_classes
from picluster.graph.own.own_graph import OwnGraph, as_table
from picluster.graph.own.splits import given_splits
from picluster.graph.own.whole.edges import find_edge_data, given_edges, values_names
from picluster.graph.own.whole.entries import Entries, Matrix, Odd, WordList, plain_name, skip_option

EDGES = ("edge_index", "edges", "edge_list", "edgelist", "adj_t", "adj", "adj_matrix", "adjacency", "matrix")
FEATURES = (
    *("x", "features", "feature", "feat", "feats", "node_features", "node_feat", "node_feats", "node_attr"),
    *("attr", "attr_matrix", "attributes"),
)
LABELS = ("y", "labels", "label", "node_labels", "node_label", "target", "targets")
_CLASS_NAMES = ("class_names", "label_names", "target_names")
_NODE_NAMES = ("node_names", "node_ids", "paper_ids")
_NODE_COUNTS = ("num_nodes", "__num_nodes__")
_NUMBERS = "iufb"


class _Roles(NamedTuple):
    """The names of the entries that every graph has."""

    edges: str
    features: str
    labels: str


def graph_in(
    entries: Entries, *, skip: Sequence[str] = (), mask: int | None = None, missing: Sequence[str] = ()
) -> OwnGraph:
    """The graph that a file holds.

    `skip`: entries to leave out; `mask`: the number of the split, of several; `missing`: labels that mean none.
    InputError for an entry or split that is not there; DataError where something is missing, unclear, or would be lost.
    """
    values = values_names(entries)
    left = entries.without(tuple(name for name in skip if name in entries.by_name or name not in values))
    roles = _roles(left)
    edges = given_edges(left, roles.edges, skips_values=any(name in values for name in skip))
    features = as_table(_features(left, roles.features), "numbers", f"{roles.features} of {left.file}")
    nodes = len(features.rows)
    _check_counts(left, roles.edges, nodes)
    classes = read_classes(left, roles.labels, nodes)
    others = left.without(roles)
    edge_data = find_edge_data(others, len(edges.rows))
    splits = given_splits(others, nodes, mask)
    class_names, node_names = _words(others, _CLASS_NAMES, classes.known), _words(others, _NODE_NAMES, nodes, nodes)
    used = {*splits.names, *class_names, *node_names, *edge_data, *_NODE_COUNTS}
    passed_over = [
        f"{plain_name(name)} ({entry.kind})" if isinstance(entry, Odd) else plain_name(name)
        for name, entry in others.by_name.items()
        if name not in used
    ]
    notes = [f"passed over: {', '.join([*(f'{name} (all 1)' for name in edge_data), *passed_over])}"]
    return OwnGraph(
        edges=edges,
        features=features,
        labels=classes.table,
        class_names=next(iter(class_names.values()), ()),
        splits=splits.arrays or None,
        splits_source=f"the masks of {left.file}",
        origin=f"imported from {left.file.name}",
        node_names=next(iter(node_names.values()), ()),
        missing=tuple(missing),
        notes=(*(f"{name} is left out" for name in skip), *classes.notes, *(notes if passed_over or edge_data else [])),
    )


def _roles(entries: Entries) -> _Roles:
    """DataError where one is missing, or two entries may be it."""
    found = {
        "edges": chosen(entries, EDGES, "edges"),
        "features": chosen(entries, FEATURES, "features"),
        "labels": chosen(entries, LABELS, "labels"),
    }
    if missing := [role for role, name in found.items() if name is None]:
        usual = {"edges": "edge_index (2, E)", "features": "x (N, F)", "labels": "y (N,)"}
        what = f"{entries.file} holds no {', '.join(missing)}: it holds {entries.listed()}"
        raise DataError(what, fix=_fix_of_missing(entries, missing, [usual[role] for role in missing]))
    return _Roles(*(name for name in found.values() if name is not None))


def _fix_of_missing(entries: Entries, missing: list[str], usual: list[str]) -> str:
    if missing == ["features"]:
        return f"give each node some, such as {entries.owner}x = a table with a row for each node"
    if "edges" not in missing and len(entries.by_name) == 1:
        return f"give it with the other files: --edges {shlex.quote(str(entries.file))} --features FILE --labels FILE"
    return f"add {', '.join(usual)}"


def chosen(entries: Entries, names: tuple[str, ...], role: str) -> str | None:
    """PyG's own name where it is there, else the only one that is."""
    found = [name for name in entries.by_name if name.lower() in names]
    if names[0] in found or len(found) < 2:  # noqa: PLR2004
        return names[0] if names[0] in found else next(iter(found), None)
    what = f"{entries.file} holds {' and '.join(map(plain_name, found))}: each of them may be the {role}"
    raise DataError(what, fix=f"leave out the wrong one, such as {skip_option(found[-1])}")


def _features(entries: Entries, name: str) -> NDArray[Any]:
    array = entries.array(name)
    if array.dtype.kind not in _NUMBERS:
        fix = f"make it numbers: {entries.owner}{name} = {entries.owner}{name}.astype('float32')"
        raise DataError(f"{name} of {entries.file} holds {array.dtype.name}, where a number is expected", fix=fix)
    return array


def _check_counts(entries: Entries, edges: str, nodes: int) -> None:
    """DataError where the file says elsewhere that there are more or fewer nodes than features have rows."""
    for name in _NODE_COUNTS:
        if name in entries.by_name and (told := entries.array(name)).size == 1 and int(told.item()) != nodes:
            what = f"{entries.file}: {name} is {int(told.item()):,}, but the features are of {nodes:,} nodes"
            raise DataError(what, fix="give each node a row of features")
    matrix = entries.by_name[edges]
    if isinstance(matrix, Matrix) and matrix.shape != (nodes, nodes):
        what = f"{edges} of {entries.file} has the shape {matrix.shape}, but the features are of {nodes:,} nodes"
        raise DataError(what, fix="give each node a row and a column, and a row of features")


def _words(
    entries: Entries, names: tuple[str, ...], fewest: int, most: int | None = None
) -> dict[str, tuple[str, ...]]:
    """The first list of words of such a name and a fitting length, by its name; else nothing."""
    for name in names:
        entry = entries.by_name.get(name)
        if isinstance(entry, WordList) and fewest <= len(entry.words) <= (most or len(entry.words)):
            return {name: entry.words}
    return {}
