"""A graph that was saved with torch.save."""

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from picluster.errors import DataError, InputError
from picluster.graph.own.importing import import_graph
from picluster.graph.own.pyg_file import read_pyg

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
    own = read_pyg(_save(tmp_path, form(_data())))
    graph = import_graph("mine", own, graphs_folder=tmp_path / "graphs").graph
    assert graph.array("indices").tolist() == [1, 0, 2, 1]
    assert [graph.array(name).tolist() for name in ("train", "validation", "test")] == [[0], [1], [2]]
    np.testing.assert_array_equal(graph.array("features"), np.eye(4))
    assert graph.array("labels").tolist() == [0, 1, 1, -1]


def test_without_masks_the_split_is_drawn(tmp_path: Path) -> None:
    own = read_pyg(_save(tmp_path, _data(train_mask=None, val_mask=None, test_mask=None)))
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
        DataError, match=r"graph\.pt cannot be read as a graph of tensors: it holds \w+\.mkdir"
    ) as caught:
        read_pyg(file)
    assert "data.to_dict()" in caught.value.fix
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"x": None}, r"graph\.pt holds no x"),
        ({"y": None}, r"graph\.pt holds no y"),
        ({"y": torch.eye(4).long()}, r"y of .* has the shape \(4, 4\)"),
        ({"y": torch.rand(4)}, r"y of .* holds float32, where a whole number is expected"),
        ({"x": torch.eye(4).to_sparse()}, r"x of .* cannot become a numpy array"),
        ({"x": torch.eye(4).bfloat16()}, r"x of .* cannot become a numpy array"),
        ({"x": torch.full((4, 1), torch.nan)}, r"x of .*, row 0 \(from 0\), feature 0 \(from 0\) is nan"),
        ({"edge_index": torch.tensor([[0, 1], [1, 4]])}, r"edge_index of .*, column 1 \(from 0\): there is no node 4"),
        ({"train_mask": torch.ones(4, 10, dtype=torch.bool)}, r"train_mask of .* has the shape \(4, 10\)"),
        ({"y": torch.tensor([0, 1])}, r"y of .*: 2 rows, but the features are of 4 nodes"),
    ],
)
def test_what_does_not_fit_is_said_by_its_name(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message) as caught:
        import_graph("mine", read_pyg(_save(tmp_path, _data(**changes))), graphs_folder=tmp_path / "graphs")
    assert caught.value.fix
    assert not (tmp_path / "graphs").exists()


@pytest.mark.parametrize("content", [b"", b"no archive", b"0,1\n1,2\n"])
def test_a_file_of_another_kind_is_said(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "graph.pt").write_bytes(content)
    with pytest.raises(DataError, match=r"graph\.pt cannot be read as a graph of tensors"):
        read_pyg(tmp_path / "graph.pt")


def test_a_file_that_is_missing_is_said(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is no file"):
        read_pyg(tmp_path / "graph.pt")
