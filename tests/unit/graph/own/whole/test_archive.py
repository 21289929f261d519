"""A graph in an archive of numpy arrays."""

import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from picluster.errors import DataError, InputError
from picluster.graph.own.importing import import_graph
from picluster.graph.own.whole.archive import entries_in
from picluster.graph.own.whole.meaning import graph_in
from tests.unit.graph.damage import refusals

EDGES = np.array([[0, 1, 1, 2], [1, 0, 2, 1]])
X = np.eye(4, dtype=np.float32)
Y = np.array([0, 1, 1, -1])
MASKS = {name: np.arange(4) == node for node, name in enumerate(("train_mask", "val_mask", "test_mask"))}
GRAPH: dict[str, Any] = {"edge_index": EDGES, "x": X, "y": Y, **MASKS}
ADJ = {"data": np.ones(4), "indices": np.array([1, 0, 2, 1]), "indptr": np.array([0, 1, 3, 4, 4]), "shape": (4, 4)}
EYE = {"data": np.ones(4), "indices": np.arange(4), "indptr": np.arange(5), "shape": (4, 4)}
COO = {"row": EDGES[0], "col": EDGES[1], "data": np.ones(4), "shape": (4, 4), "format": b"coo"}


def _parts(name: str, parts: dict[str, Any], joint: str = "_") -> dict[str, Any]:
    return {f"{name}{joint}{part}": value for part, value in parts.items()}


def _save(path: Path, **arrays: Any) -> Path:
    np.savez(path / "graph.npz", **{name: value for name, value in arrays.items() if value is not None})
    return path / "graph.npz"


def _same_graph(path: Path, file: Path, **options: Any) -> list[str]:
    """That the file holds the graph above; returns what was noted."""
    done = import_graph("same", graph_in(entries_in(file), **options), graphs_folder=path / "graphs", force=True)
    assert done.graph.neighbour_ids()[:].tolist() == [1, 0, 2, 1]
    np.testing.assert_array_equal(done.graph.array("features"), np.eye(4))
    assert done.graph.array("labels").tolist() == [0, 1, 1, -1]
    assert [done.graph.array(name).tolist() for name in ("train", "validation", "test")] == [[0], [1], [2]]
    return done.notes


WEIGHTED = _parts("adj", ADJ | {"data": np.array([1, 1, 2, 1.5])})
BENCHMARK = _parts("adj", ADJ) | _parts("attr", EYE) | {"labels": Y, **MASKS}
HETEROPHILOUS = {
    "edges": EDGES.T,
    "node_features": X,
    "node_labels": Y,
    **{f"{name}s": np.stack([mask, np.roll(mask, 1)]) for name, mask in MASKS.items()},
}


@pytest.mark.parametrize(
    "arrays",
    [
        GRAPH,
        BENCHMARK,
        _parts("adj_matrix", ADJ, ".") | _parts("attr_matrix", EYE, ".") | {"labels": Y, **MASKS},
        _parts("adj", COO) | {"attr_matrix": X, "labels": Y, **MASKS},
        {"edge_index": EDGES, "node_feat": X, "node_label": Y[:, None].astype(float), "num_nodes": 4, **MASKS},
        {"edges": EDGES.T.astype(np.int32), "features": X, "target": Y, **MASKS},
        GRAPH | {name: mask.astype(np.uint8) for name, mask in MASKS.items()},
        GRAPH
        | dict.fromkeys(MASKS)
        | {f"{name}_idx": np.array([node]) for node, name in enumerate(("train", "valid", "test"))},
        GRAPH | {"edge_feat": None, "edge_weight": np.ones(4)},
    ],
)
def test_the_usual_archives_mean_the_same(tmp_path: Path, arrays: dict[str, Any]) -> None:
    _same_graph(tmp_path, _save(tmp_path, **arrays))


def test_one_of_several_splits_is_chosen(tmp_path: Path) -> None:
    file = _save(tmp_path, **HETEROPHILOUS)
    _same_graph(tmp_path, file, mask=0)
    with pytest.raises(DataError, match=r"train_masks of .* has 2 splits; a graph folder has one") as caught:
        graph_in(entries_in(file))
    assert caught.value.fix == "choose one, from 0 to 1: --mask 0"
    with pytest.raises(InputError, match=r"--mask 2 of .*: there are 2, from 0 to 1"):
        graph_in(entries_in(file), mask=2)
    splits = graph_in(entries_in(file), mask=1).splits
    assert isinstance(splits, dict)
    assert splits["train"].tolist() == [1]


def test_a_number_of_a_split_where_there_is_one_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"--mask 0 of .*: it has no masks of several splits"):
        graph_in(entries_in(_save(tmp_path, **GRAPH)), mask=0)


@pytest.mark.parametrize(
    ("changes", "message", "fix"),
    [
        ({"edge_weight": np.full(4, 0.5)}, "says more of each edge than its ends: edge_weight;", "--skip edge_weight"),
        ({"weight": np.arange(4)}, "than its ends: weight;", "--skip weight"),
        ({"edge_attr": np.array(["a"] * 4)}, "than its ends: edge_attr;", "--skip edge_attr"),
        ({"edge_attr": np.array(["a"] * 4, object)}, "than its ends: edge_attr;", "--skip edge_attr"),
        (
            {"edge_index": None, **_parts("adj", ADJ | {"data": np.array([1, 1, 2, 1.5])})},
            "weights, such as 2;",
            "adj_data",
        ),
        ({"edge_index": None, "adj": np.eye(4) * 3}, "adj of .* gives edges weights, such as 3;", "--skip weight"),
        ({"edge_index": np.vstack([EDGES, EDGES[:1]])}, r"has the shape \(3, 4\), not \(2, E\)", "edge_index[:2]"),
        ({"edge_index": None, "edges": np.hstack([EDGES.T, EDGES.T[:, :1]])}, r"shape \(4, 3\)", "edges[:, :2]"),
        (
            {"edge_index": None, "edges": EDGES, "adj": X},
            "holds edges and adj: each of them may be the edges",
            "--skip",
        ),
        ({"y": None, "labels": Y, "target": Y}, "holds labels and target: each of them may be the labels", "--skip"),
        ({"train_idx": np.array([0])}, "train_mask and train_idx: each may say which nodes are in train", "--skip"),
        ({"x": None}, "holds no features", "x = "),
        (
            {"edge_index": None, **_parts("adj", ADJ | {"shape": (5, 5)})},
            "matrix adj whose parts do not fit",
            "save_npz",
        ),
        ({"edge_index": None, **_parts("adj", ADJ | {"format": b"dia"})}, "matrix adj in the form dia", ".tocsr()"),
        ({"edge_index": None, "adj": np.array({"a": 1}, object)}, "adj of .* is a pickled Python object", "save it as"),
    ],
)
def test_what_would_be_lost_or_is_unclear_is_refused(
    tmp_path: Path, changes: dict[str, Any], message: str, fix: str
) -> None:
    with pytest.raises(DataError, match=message) as caught:
        graph_in(entries_in(_save(tmp_path, **(GRAPH | changes))))
    assert fix in caught.value.fix
    assert "\n" not in caught.value.what


@pytest.mark.parametrize("word", ["adj_data", "weight"])
def test_weights_of_a_matrix_are_left_out_on_purpose(tmp_path: Path, word: str) -> None:
    file = _save(tmp_path, **(BENCHMARK | WEIGHTED))
    assert f"{word} is left out" in _same_graph(tmp_path, file, skip=(word,))


def test_zeros_in_a_matrix_are_no_edges(tmp_path: Path) -> None:
    zero = {"data": np.array([1, 1, 1, 1, 0]), "row": np.append(EDGES[0], 3), "col": np.append(EDGES[1], 0)}
    _same_graph(tmp_path, _save(tmp_path, **(GRAPH | {"edge_index": None} | _parts("adj", COO | zero))))


def test_what_is_not_needed_is_named_and_pickles_are_not_read(tmp_path: Path) -> None:
    odd = {"attr_names": np.array(["a", "b", None], object), "metadata": np.array({"a": 1}, object), "pos": X}
    notes = _same_graph(tmp_path, _save(tmp_path, **BENCHMARK, **odd))
    assert any(
        "passed over: attr_names (pickled Python objects), metadata (a pickled Python object), pos" in note
        for note in notes
    )


def test_names_of_classes_and_nodes_are_kept_where_they_are_text(tmp_path: Path) -> None:
    names = {"class_names": np.array(["cat", "größe"]), "node_names": np.array([b"a", b"b", b"c", b"d"])}
    own = graph_in(entries_in(_save(tmp_path, **GRAPH, **names)))
    graph = import_graph("mine", own, graphs_folder=tmp_path / "graphs").graph
    assert graph.meta.class_names == ("cat", "größe")
    assert list(graph.node_names() or ()) == list("abcd")


def test_class_names_keep_to_their_numbers_where_some_classes_have_no_node(tmp_path: Path) -> None:
    own = graph_in(
        entries_in(_save(tmp_path, **(GRAPH | {"y": np.array([3, 1, 1, -1])}), class_names=np.array(list("abcd"))))
    )
    graph = import_graph("mine", own, graphs_folder=tmp_path / "graphs").graph
    assert graph.array("labels").tolist() == [1, 0, 0, -1]
    assert graph.meta.class_names == ("b", "d")


@pytest.mark.parametrize(
    ("labels", "names", "expected", "are_passed_over"),
    [
        (["cat", "dog", "dog", ""], ["dog", "cat"], ("cat", "dog"), True),
        (["0", "1", "1", "0"], ["cat"], (), True),
        (["0", "1", "1", "0"], ["cat", "dog"], ("cat", "dog"), False),
        (["3", "1", "1", ""], list("abcd"), ("b", "d"), False),
    ],
)
def test_class_names_are_taken_only_where_labels_are_their_numbers(
    tmp_path: Path, labels: list[str], names: list[str], expected: tuple[str, ...], *, are_passed_over: bool
) -> None:
    entries = entries_in(_save(tmp_path, **(GRAPH | {"y": np.array(labels)}), class_names=np.array(names)))
    done = import_graph("mine", graph_in(entries), graphs_folder=tmp_path / "graphs")
    assert done.graph.meta.class_names == expected
    assert any(note.startswith("names of classes are passed over") for note in done.notes) == are_passed_over


def test_any_byte_of_an_archive_may_be_damaged_and_it_is_read_or_refused(tmp_path: Path) -> None:
    file = _save(tmp_path, **GRAPH)

    def read() -> object:
        return import_graph("mine", graph_in(entries_in(file)), graphs_folder=tmp_path / "graphs", force=True)

    assert refusals(file, read, places=60) > 1


def _torch_file(file: Path) -> None:
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("graph/data.pkl", b"")


@pytest.mark.parametrize(
    ("write", "message"),
    [
        (_torch_file, "was written by torch.save"),
        (lambda file: file.write_bytes(b"no archive"), "cannot be read: File is not a zip file"),
        (lambda file: file.write_bytes(b""), "cannot be read"),
        (np.savez, "holds no edges, features, labels: it holds nothing"),
    ],
)
def test_a_file_of_another_kind_is_said(tmp_path: Path, write: Callable[[Path], object], message: str) -> None:
    write(tmp_path / "graph.npz")
    with pytest.raises(DataError, match=message) as caught:
        graph_in(entries_in(tmp_path / "graph.npz"))
    assert caught.value.fix


def test_skipping_what_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="has no entry 'speed' that could be skipped") as caught:
        graph_in(entries_in(_save(tmp_path, **GRAPH)), skip=("speed",))
    assert "it holds edge_index, x, y" in caught.value.fix
