"""Edges, features and labels in files of arrays of their own."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from picluster.errors import DataError, InputError
from picluster.graph.own.importing import import_graph
from picluster.graph.own.tables.reading import read_own

EDGES = np.array([[0, 1, 1, 2, 3], [1, 0, 2, 1, 2]])
WEIGHTS = np.array([1, 2, 0.5, 1, 1])
NODES = 5
CSR = {
    "data": np.ones(5),
    "indices": np.array([1, 0, 2, 1, 2]),
    "indptr": np.array([0, 1, 3, 4, 5, 5]),
    "shape": (5, 5),
}
COO = {"row": EDGES[0], "col": EDGES[1], "data": np.ones(5), "shape": (5, 5), "format": b"coo"}
EYE = {"data": np.ones(5), "indices": np.arange(5), "indptr": np.arange(6), "shape": (5, 5), "format": b"csr"}
ALL = {"edge_index": EDGES, "x": np.eye(NODES), "y": np.arange(NODES) % 2}
MATRIX = np.zeros((NODES, NODES))
MATRIX[tuple(EDGES)] = 1


def _write(folder: Path, name: str, content: Any) -> Path:
    if isinstance(content, dict):
        np.savez(folder / f"{name}.npz", **content)
        return folder / f"{name}.npz"
    np.save(folder / f"{name}.npy", content)
    return folder / f"{name}.npy"


def _read(folder: Path, edges: Any, features: Any = None, labels: Any = None, **options: Any) -> tuple[Any, list[str]]:
    features = ALL["x"] if features is None else features
    labels = ALL["y"] if labels is None else labels
    files = [_write(folder, "edges", edges), _write(folder, "features", features), _write(folder, "labels", labels)]
    own = read_own(files[0], files[1], files[2], None, directed=True, **options)
    done = import_graph("mine", own, graphs_folder=folder / "graphs", directed=True)
    return done.graph, done.notes


@pytest.mark.parametrize(
    "edges",
    [
        EDGES,
        EDGES.T,
        EDGES.astype(float),
        MATRIX,
        {"any": EDGES},
        {"edges": EDGES.T, "edge_weight": np.ones(5)},
        {"adj": MATRIX},
        ALL,
        CSR,
        COO,
        {f"adj_{part}": value for part, value in CSR.items()},
    ],
)
def test_edges_of_every_form_lead_the_same_way(tmp_path: Path, edges: Any) -> None:
    graph, _ = _read(tmp_path, edges)
    np.testing.assert_array_equal(graph.array("indptr"), [0, 1, 3, 5, 5, 5])
    np.testing.assert_array_equal(graph.neighbour_ids()[:], [1, 0, 2, 1, 3])


@pytest.mark.parametrize(("features", "labels"), [(ALL, ALL), (EYE, {"label": ALL["y"], "more": EDGES})])
def test_features_and_labels_are_found_among_other_arrays(tmp_path: Path, features: Any, labels: Any) -> None:
    graph, _ = _read(tmp_path, EDGES, features, labels)
    np.testing.assert_array_equal(graph.array("features"), np.eye(NODES))
    np.testing.assert_array_equal(graph.array("labels"), ALL["y"])


TABLE = np.column_stack([EDGES.T, WEIGHTS])
WEIGHTED = [
    (TABLE, "column 3 holds '1': weights of edges are not used yet", "3"),
    (TABLE.T, "column 3 holds '1': weights of edges are not used yet", "3"),
    ({"edges": TABLE}, "column 3 holds '1': weights of edges are not used yet", "3"),
    ({"edges": EDGES.T, "weight": WEIGHTS}, "says more of each edge than its ends: weight;", "weight"),
    ({"edge_index": EDGES, "edge_attr": WEIGHTS}, "says more of each edge than its ends: edge_attr;", "edge_attr"),
    (CSR | {"data": WEIGHTS}, "gives edges weights, such as 2;", "data"),
    (MATRIX * 2, "gives edges weights, such as 2;", "weight"),
]


@pytest.mark.parametrize(("edges", "message", "word"), WEIGHTED)
def test_weights_are_refused_and_left_out_on_purpose(tmp_path: Path, edges: Any, message: str, word: str) -> None:
    with pytest.raises(DataError, match=message) as caught:
        _read(tmp_path, edges)
    assert caught.value.fix.endswith(f"--skip {word}")
    graph, notes = _read(tmp_path, edges, skip=(word,))
    np.testing.assert_array_equal(graph.neighbour_ids()[:], [1, 0, 2, 1, 3])
    assert any("is left out" in note for note in notes)


def test_skipping_what_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="--skip speed: there is no such column"):
        _read(tmp_path, ALL, skip=("speed",))
