"""A graph that was saved with torch.save."""

import os
import sys
from collections import defaultdict
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from picluster.errors import DataError, InputError
from picluster.graph.own.importing import import_graph
from picluster.graph.own.whole.meaning import graph_in
from picluster.graph.own.whole.pyg_file import saved_entries
from tests.unit.graph.damage import refusals

pytestmark = [
    pytest.mark.filterwarnings("ignore:Sparse (CSR|CSC) tensor support is in beta"),
    pytest.mark.filterwarnings("ignore:Sparse invariant checks"),
]
torch = pytest.importorskip("torch", exc_type=ImportError)
pyg = pytest.importorskip("torch_geometric.data", exc_type=ImportError)

EDGES = [[0, 1, 1, 2], [1, 0, 2, 1]]


def _data(**changes: Any) -> Any:
    masks = {"train_mask": [1, 0, 0, 0], "val_mask": [0, 1, 0, 0], "test_mask": [0, 0, 1, 0]}
    tensors = {name: torch.tensor(mask, dtype=torch.bool) for name, mask in masks.items()}
    tensors |= {"x": torch.eye(4), "edge_index": torch.tensor(EDGES), "y": torch.tensor([0, 1, 1, -1])}
    return pyg.Data(**{name: tensor for name, tensor in (tensors | changes).items() if tensor is not None})


def _save(path: Path, data: Any) -> Path:
    torch.save(data, path / "graph.pt")
    return path / "graph.pt"


@pytest.mark.parametrize("form", [lambda data: data, lambda data: data.to_dict()])
def test_a_data_and_its_plain_dictionary_give_the_same_graph(tmp_path: Path, form: Any) -> None:
    own = graph_in(saved_entries(_save(tmp_path, form(_data()))))
    graph = import_graph("mine", own, graphs_folder=tmp_path / "graphs").graph
    assert graph.neighbour_ids()[:].tolist() == [1, 0, 2, 1]
    assert [graph.array(name).tolist() for name in ("train", "validation", "test")] == [[0], [1], [2]]
    np.testing.assert_array_equal(graph.array("features"), np.eye(4))
    assert graph.array("labels").tolist() == [0, 1, 1, -1]


def test_without_masks_the_split_is_drawn(tmp_path: Path) -> None:
    own = graph_in(saved_entries(_save(tmp_path, _data(train_mask=None, val_mask=None, test_mask=None))))
    graph = import_graph("mine", own, graphs_folder=tmp_path / "graphs").graph
    assert sum(graph.meta.splits.values()) == 3


class Hostile:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.path / "ran"),)


def test_a_file_that_would_run_code_is_refused_and_does_not_run_it(tmp_path: Path) -> None:
    file = _save(tmp_path, {"x": Hostile(tmp_path)})
    with pytest.raises(
        DataError, match=r"graph\.pt cannot be read as a graph of tensors: it holds \w+\.mkdir, which could run"
    ) as caught:
        graph_in(saved_entries(file))
    assert "torch.save" in caught.value.fix
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"x": None}, r"graph\.pt holds no features: it holds "),
        ({"y": None}, r"graph\.pt holds no labels"),
        ({"edge_index": None}, r"graph\.pt holds no edges"),
        ({"y": torch.eye(4).long() + 1}, r"y of .* has the shape \(4, 4\): several values"),
        ({"y": torch.ones(4, 2)}, r"y of .*, row 0 .*2 classes for one node"),
        ({"y": torch.full((4,), 0.5)}, r"y of .*, row 0 \(from 0\): 0\.5 is a value, not a class"),
        ({"y": torch.ones(4, 1, 1)}, r"y of .* has the shape \(4, 1, 1\)"),
        ({"y": torch.tensor([0, 1])}, r"y of .*: 2 rows, but the features are of 4 nodes"),
        ({"x": torch.eye(4) * 1j}, r"x of .* holds complex64, where a number is expected"),
        ({"x": (torch.eye(4) * 1j).to_sparse()}, r"x of .* holds complex64, where a number is expected"),
        ({"x": torch.full((4, 1), torch.nan)}, r"x of .*, row 0 \(from 0\), feature 0 \(from 0\) is nan"),
        ({"x": "cora"}, r"x of .* is a text, not an array of numbers"),
        ({"edge_index": torch.tensor([[0, 1], [1, 4]])}, r"edge_index of .*, column 1 \(from 0\): there is no node 4"),
        ({"edge_index": torch.zeros(2, 0, dtype=torch.long)}, r"edge_index of .* holds no edge"),
        ({"edge_index": torch.zeros(3, 5, dtype=torch.long)}, r"edge_index of .* has the shape \(3, 5\), not \(2, E\)"),
        ({"edge_index": torch.tensor(EDGES) + 0.5}, r"edge_index of .*, edge 0 \(from 0\): 0\.5 is not a node's"),
        ({"train_mask": torch.ones(4, 10, dtype=torch.bool)}, r"train_mask of .* has 10 splits"),
        ({"train_mask": None}, r"holds val_mask and test_mask, but not which nodes train"),
        ({"num_nodes": 9}, r"num_nodes is 9, but the features are of 4 nodes"),
        ({"edge_weight": torch.rand(4)}, r"says more of each edge than its ends: edge_weight;"),
        ({"edge_attr": torch.rand(4, 3), "edge_type": torch.arange(4)}, r"than its ends: edge_attr, edge_type;"),
    ],
)
def test_what_does_not_fit_is_said_by_its_name(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    file = _save(tmp_path, _data(**changes))
    with pytest.raises(DataError, match=message) as caught:
        import_graph("mine", graph_in(saved_entries(file)), graphs_folder=tmp_path / "graphs")
    assert caught.value.fix
    assert "\n" not in caught.value.what
    assert not (tmp_path / "graphs").exists()


def _same_graph(tmp_path: Path, file: Path, **options: Any) -> list[str]:
    """That the file holds the graph above; returns what was noted."""
    done = import_graph("same", graph_in(saved_entries(file), **options), graphs_folder=tmp_path / "graphs", force=True)
    assert done.graph.neighbour_ids()[:].tolist() == [1, 0, 2, 1]
    np.testing.assert_array_equal(done.graph.array("features"), np.eye(4))
    assert done.graph.array("labels").tolist() == [0, 1, 1, -1]
    assert [done.graph.array(name).tolist() for name in ("train", "validation", "test")] == [[0], [1], [2]]
    return done.notes


ONE_HOT = torch.tensor([[1, 0], [0, 1], [0, 1], [0, 0]])
ADJACENCY = torch.sparse_coo_tensor(torch.tensor(EDGES), torch.ones(4), (4, 4), check_invariants=True)


@pytest.mark.parametrize(
    "changes",
    [
        {"x": torch.eye(4).to_sparse()},
        {"x": torch.eye(4).to_sparse_csr},
        {"x": torch.eye(4).bfloat16()},
        {"x": torch.eye(4).bool()},
        {"x": torch.eye(4).double().requires_grad_()},
        {"x": torch.eye(4).numpy()},
        {"x": torch.eye(4).tolist()},
        {"y": torch.tensor([[0], [1], [1], [-1]])},
        {"y": torch.tensor([0.0, 1.0, 1.0, torch.nan])},
        {"y": [0, 1, 1, -1]},
        {"y": ONE_HOT},
        {"y": ONE_HOT.float()},
        {"edge_index": torch.tensor(EDGES, dtype=torch.int32)},
        {"edge_index": torch.tensor(EDGES).float()},
        {"edge_index": torch.tensor(EDGES).T[:3].contiguous()},
        {"edge_index": None, "adj_t": ADJACENCY},
        {"edge_index": None, "adj_t": ADJACENCY.to_sparse_csr},
        {"edge_index": None, "adj": ADJACENCY.to_sparse_csc},
        {"edge_index": None, "adj": ADJACENCY.to_dense()},
        {"train_mask": torch.tensor([1, 0, 0, 0])},
        {"train_mask": torch.tensor([1, 0, 0, 0], dtype=torch.uint8)},
        {"train_mask": torch.tensor([1.0, 0, 0, 0])},
        {"train_mask": torch.tensor([[1], [0], [0], [0]])},
        {"train_mask": torch.tensor([0])},
        {"num_nodes": 4},
        {"edge_weight": torch.ones(4)},
        {"edge_attr": torch.ones(4, 1)},
        {"val_mask": None, "valid_mask": torch.tensor([0, 1, 0, 0])},
    ],
)
def test_the_usual_forms_of_every_entry_mean_the_same(tmp_path: Path, changes: dict[str, Any]) -> None:
    changed = _data().to_dict() | {name: value() if callable(value) else value for name, value in changes.items()}
    tensors = {name: value for name, value in changed.items() if value is not None}
    _same_graph(tmp_path, _save(tmp_path, tensors))


@pytest.mark.parametrize("weight", ["edge_weight", "edge_attr"])
def test_weights_are_left_out_on_purpose_and_that_is_said(tmp_path: Path, weight: str) -> None:
    file = _save(tmp_path, _data(**{weight: torch.rand(4)}))
    assert f"{weight} is left out" in _same_graph(tmp_path, file, skip=(weight,))


@pytest.mark.parametrize("name", ["adj_t", "adj"])
def test_weights_of_a_matrix_are_weights_too(tmp_path: Path, name: str) -> None:
    file = _save(tmp_path, _data(edge_index=None, **{name: ADJACENCY * 0.5}))
    with pytest.raises(DataError, match=rf"{name} of .* gives edges weights, such as 0\.5") as caught:
        graph_in(saved_entries(file))
    assert caught.value.fix.endswith("--skip weight")
    _same_graph(tmp_path, file, skip=("weight",))


def test_a_row_of_adj_t_is_a_target_and_of_adj_a_source(tmp_path: Path) -> None:
    one_way = torch.sparse_coo_tensor([[0], [1]], [1.0], (4, 4), check_invariants=True)
    for name, edge in (("adj_t", [1, 0]), ("adj", [0, 1])):
        entries = saved_entries(_save(tmp_path, _data(edge_index=None, **{name: one_way})))
        assert graph_in(entries).edges.rows.tolist() == [edge]


def test_entries_that_are_not_needed_are_passed_over_by_name(tmp_path: Path) -> None:
    odd = {"raw": np.arange(3), "name": "cora", "path": Path("a"), "more": {"a": 1}, "none": None, "rows": [1, "a"]}
    odd |= {"kind": pyg.Data, "default": defaultdict(list, a=[1]), "nothing": np.array([None, 1], object)}
    notes = _same_graph(tmp_path, _save(tmp_path, _data().to_dict() | odd))
    [note] = [note for note in notes if note.startswith("passed over")]
    assert all(name in note for name in odd if name != "none")
    assert "more (a dictionary)" in note


def test_names_of_classes_and_nodes_are_kept(tmp_path: Path) -> None:
    file = _save(tmp_path, _data().to_dict() | {"class_names": ["cat", "\udcff"], "node_names": list("abcd")})
    graph = import_graph("mine", graph_in(saved_entries(file)), graphs_folder=tmp_path / "graphs").graph
    assert graph.meta.class_names == ("cat", "?")
    assert list(graph.node_names() or ()) == list("abcd")


@pytest.mark.parametrize("form", ["list", "tuple", "stored", "object", "older"])
def test_a_data_set_of_one_graph_is_read_and_of_two_is_named(tmp_path: Path, form: str) -> None:
    for count, data in ((1, [_data()]), (2, [_data(), _data()])):
        joined, slices = pyg.InMemoryDataset.collate(data)
        kept = {
            "list": data,
            "tuple": (joined, slices),
            "stored": (joined.to_dict(), slices, pyg.Data),
            "object": _Set(joined, slices),
            "older": (joined.to_dict(), slices),
        }
        file = _save(tmp_path, kept[form])
        if count == 1:
            _same_graph(tmp_path, file)
            continue
        with pytest.raises(DataError, match=r"graph\.pt holds a (data set|list) of 2 graphs;") as caught:
            graph_in(saved_entries(file))
        assert "[0], FILE)" in caught.value.fix


class _Set(pyg.InMemoryDataset):  # type: ignore[misc, name-defined]
    def __init__(self, data: Any, slices: Any) -> None:
        super().__init__(None)
        self.data, self.slices = data, slices


def _hetero() -> Any:
    data = pyg.HeteroData()
    data["paper"].x = torch.eye(2)
    data["paper", "cites", "paper"].edge_index = torch.tensor([[0], [1]])
    return data


@pytest.mark.parametrize(
    ("saved", "message"),
    [
        (_hetero, "holds a HeteroData"),
        (lambda: _hetero().to_dict(), "holds a HeteroData"),
        (lambda: pyg.Batch.from_data_list([_data(), _data()]), "holds a batch of 2 graphs"),
        (lambda: pyg.TemporalData(src=torch.tensor([0]), dst=torch.tensor([1])), "holds a TemporalData"),
        (lambda: torch.eye(3), "holds a tensor, not a graph"),
        (lambda: [1, 2], "holds a list, not a graph"),
        (lambda: torch.nn.Linear(2, 2), r"holds a torch\.nn\.modules\.linear\.Linear, not a graph"),
        (lambda: {"weight": torch.eye(2)}, "holds no edges, features, labels: it holds weight"),
        (lambda: {"graph": _data(), "epoch": 3}, "a dictionary with a graph in it: 'graph'"),
    ],
)
def test_what_is_no_graph_is_said_by_its_name(tmp_path: Path, saved: Any, message: str) -> None:
    with pytest.raises(DataError, match=message) as caught:
        graph_in(saved_entries(_save(tmp_path, saved())))
    assert caught.value.fix


def test_files_of_other_versions_are_read_without_their_classes(tmp_path: Path) -> None:
    """Data of PyG 1 kept its entries as plain attributes; files of torch before 1.6 were no archives."""
    old = type("Data", (), {"__module__": "torch_geometric.data.data"})
    data = pyg.Data
    pyg.data.Data = old
    try:
        saved = old()
        saved.__dict__.update(_data().to_dict() | {"face": None, "__num_nodes__": 4})
        torch.save(saved, tmp_path / "old.pt", _use_new_zipfile_serialization=False)
    finally:
        pyg.data.Data = data
    _same_graph(tmp_path, tmp_path / "old.pt")


def test_knowledge_of_pyg_about_its_edges_is_no_hindrance(tmp_path: Path) -> None:
    edges = pytest.importorskip("torch_geometric").EdgeIndex(EDGES, sparse_size=(4, 4))
    _same_graph(tmp_path, _save(tmp_path, _data(edge_index=edges)))


def test_any_byte_of_a_file_may_be_damaged_and_it_is_read_or_refused(tmp_path: Path) -> None:
    file = _save(tmp_path, _data().to_dict())

    def read() -> object:
        return import_graph("mine", graph_in(saved_entries(file)), graphs_folder=tmp_path / "graphs", force=True)

    assert refusals(file, read, places=60) > 1


@pytest.mark.parametrize("content", [b"", b"no archive", b"0,1\n1,2\n"])
def test_a_file_of_another_kind_is_said(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "graph.pt").write_bytes(content)
    with pytest.raises(DataError, match=r"graph\.pt cannot be read as a graph of tensors"):
        graph_in(saved_entries(tmp_path / "graph.pt"))


def test_a_file_that_is_missing_is_said(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is no file"):
        graph_in(saved_entries(tmp_path / "graph.pt"))


@pytest.mark.parametrize("parts", [{"_row": [0, 1, 1, 2]}, {"_row": None, "_rowptr": [0, 1, 3, 4, 4]}])
def test_matrices_of_torch_sparse_are_read_without_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, parts: dict[str, Any]
) -> None:
    made = []
    monkeypatch.setitem(sys.modules, "torch_sparse", SimpleNamespace())
    for module, name in (("torch_sparse.tensor", "SparseTensor"), ("torch_sparse.storage", "SparseStorage")):
        kind = type(name, (), {"__module__": module})
        monkeypatch.setitem(sys.modules, module, SimpleNamespace(**{name: kind}))
        made.append(kind())
    matrix, storage = made
    kept = {name: None if part is None else torch.tensor(part) for name, part in parts.items()}
    storage.__dict__.update(kept, _col=torch.tensor([1, 0, 2, 1]), _value=None, _sparse_sizes=(4, 4))
    matrix.__dict__.update(storage=storage)
    _same_graph(tmp_path, _save(tmp_path, _data(edge_index=None, adj_t=matrix)))


FORMS: dict[str, Any] = {
    "data": lambda data: data,
    "dictionary": lambda data: data.to_dict(),
    "list": lambda data: [data],
    "narrow": lambda data: data.update({"edge_index": data.edge_index.int(), "y": data.y[:, None].float()}),
}


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("form", FORMS)
def test_random_graphs_are_what_pyg_makes_of_them(tmp_path: Path, form: str, seed: int) -> None:
    utils = pytest.importorskip("torch_geometric.utils")
    random, directed = np.random.default_rng(seed), bool(seed % 2)
    nodes = int(random.integers(2, 12))
    edges = torch.tensor(random.integers(0, nodes, (2, int(random.integers(1, 40)))))
    labels = torch.tensor(random.permutation(nodes) % 3)
    data = pyg.Data(x=torch.rand(nodes, 3), edge_index=edges, y=labels)
    own = graph_in(saved_entries(_save(tmp_path, FORMS[form](data.clone()))))
    done = import_graph("any", own, graphs_folder=tmp_path, directed=directed, feature_dtype="float32").graph
    wanted, _ = utils.remove_self_loops(utils.coalesce(edges) if directed else utils.to_undirected(edges))
    source, target = wanted.numpy()
    order = np.lexsort((source, target))
    np.testing.assert_array_equal(done.neighbour_ids()[:], source[order])
    np.testing.assert_array_equal(np.diff(done.array("indptr")), np.bincount(target, minlength=nodes))
    np.testing.assert_array_equal(done.array("features"), data.x)
    np.testing.assert_array_equal(done.array("labels"), labels)
