"""Cora, from its published raw files."""

import itertools
import pickle
import shutil
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from picluster.errors import DataError
from picluster.graph.folder import GraphFolder
from picluster.graph.public.planetoid import PARTS, write_planetoid


@pytest.fixture
def copied_input(cora_input: Path, tmp_path: Path) -> Path:
    """Raw files that a test may damage."""
    (tmp_path / "input" / "planetoid").mkdir(parents=True)
    for part in PARTS:
        shutil.copyfile(*(folder / "planetoid" / f"ind.cora.{part}" for folder in (cora_input, tmp_path / "input")))
    return tmp_path / "input"


def _no_network(_: Path, __: str) -> Path:
    raise DataError("there is no network")


def _convert(input_folder: Path, graphs_folder: Path) -> GraphFolder:
    path = graphs_folder / "cora"
    write_planetoid(path, name="cora", input_folder=input_folder, feature_dtype="float16", fetch=_no_network)
    return GraphFolder.open(path)


def test_cora_has_its_published_sizes(cora: GraphFolder) -> None:
    meta = cora.meta
    assert (meta.nodes, meta.edges, meta.features, meta.classes) == (2708, 10556, 1433, 7)
    assert meta.splits == {"train": 140, "validation": 500, "test": 1000}


def test_cora_trains_on_twenty_nodes_of_each_class(cora: GraphFolder) -> None:
    np.testing.assert_array_equal(np.bincount(cora.array("labels")[cora.array("train")]), np.full(7, 20))


def test_the_splits_of_cora_share_no_node(cora: GraphFolder) -> None:
    assert len(np.unique(np.concatenate([cora.array(name) for name in ("train", "validation", "test")]))) == 1640


def test_the_neighbours_of_cora_are_ascending_mutual_and_never_the_node_itself(cora: GraphFolder) -> None:
    indices = cora.neighbour_ids()[:].astype(np.int64)
    targets = np.repeat(np.arange(2708), np.diff(cora.array("indptr")))
    keys = targets * 2708 + indices
    assert (np.diff(keys) > 0).all()
    assert (targets != indices).all()
    np.testing.assert_array_equal(np.sort(indices * 2708 + targets), keys)


def test_each_row_of_features_sums_to_one(cora: GraphFolder) -> None:
    np.testing.assert_allclose(cora.array("features").sum(axis=1), 1, rtol=1e-5)


def test_pyg_sees_the_same_graph(cora: GraphFolder, cora_input: Path) -> None:
    reader = pytest.importorskip("torch_geometric.io")
    with warnings.catch_warnings(action="ignore"):  # numpy and scipy, of the age of the pickles
        data = reader.read_planetoid_data(str(cora_input / "planetoid"), "cora")
    np.testing.assert_array_equal(cora.array("labels"), data.y.numpy())
    np.testing.assert_array_equal(cora.array("features") > 0, data.x.numpy() > 0)
    np.testing.assert_array_equal(cora.neighbour_ids()[:], data.edge_index[0].numpy())


@pytest.mark.parametrize("part", PARTS)
def test_a_truncated_raw_file_is_named(copied_input: Path, tmp_path: Path, part: str) -> None:
    file = copied_input / "planetoid" / f"ind.cora.{part}"
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    with pytest.raises(DataError, match=rf"ind\.cora\.{part} is damaged"):
        _convert(copied_input, tmp_path / "graphs")
    assert not (tmp_path / "graphs" / "cora").exists()


def test_files_that_are_nowhere_are_listed_with_the_folder_they_belong_in(copied_input: Path, tmp_path: Path) -> None:
    (copied_input / "planetoid" / "ind.cora.tx").unlink()
    with pytest.raises(DataError, match="there is no network") as caught:
        _convert(copied_input, tmp_path / "graphs")
    assert caught.value.fix == f"put ind.cora.tx into {copied_input.resolve() / 'planetoid'}"


def test_raw_files_are_downloaded_where_they_are_not(cora_input: Path, cora: GraphFolder, tmp_path: Path) -> None:
    path = tmp_path / "cora"
    write_planetoid(
        path,
        name="cora",
        input_folder=tmp_path / "empty",
        feature_dtype="float32",
        fetch=lambda _root, _name: cora_input / "planetoid",
    )
    assert GraphFolder.open(path).meta.files == cora.meta.files


def _write_raw(folder: Path, name: str, test_nodes: list[int], words: np.ndarray[Any, Any]) -> None:
    """Raw files of `len(words)` nodes, 2 classes, a chain of edges. Nodes from 520 on that are not tested: alone."""
    sparse = pytest.importorskip("scipy.sparse", reason="the raw files hold scipy's matrices")
    labels = np.eye(2, dtype=np.int32)[np.arange(len(words)) % 2]
    linked = [*range(520), *sorted(test_nodes)]
    graph: dict[int, list[int]] = {node: [] for node in range(len(words))}
    for left, right in itertools.pairwise(linked):
        graph[left].append(right)
        graph[right].append(left)
    graph[0] += [1, 0]  # a repeated edge and a loop, as in the published files
    features = {"x": words[:12], "allx": words[:520], "tx": words[test_nodes]}
    parts: dict[str, Any] = {part: sparse.csr_matrix(rows) for part, rows in features.items()}
    parts |= {"y": labels[:12], "ally": labels[:520], "ty": labels[test_nodes], "graph": graph}
    folder.mkdir(parents=True)
    for part, content in parts.items():
        (folder / f"ind.{name}.{part}").write_bytes(pickle.dumps(content, protocol=2))
    (folder / f"ind.{name}.test.index").write_text("".join(f"{node}\n" for node in test_nodes))


def _convert_made(tmp_path: Path, name: str) -> GraphFolder:
    pytest.importorskip("torch_geometric", reason="PyG reads the raw files", exc_type=ImportError)
    path = tmp_path / "graphs" / name
    write_planetoid(path, name=name, input_folder=tmp_path / "input", feature_dtype="float32", fetch=_no_network)
    return GraphFolder.open(path)


def test_citeseer_with_isolated_nodes_that_its_test_index_leaves_out_is_read_right(tmp_path: Path) -> None:
    words = np.random.default_rng(0).integers(0, 2, (526, 9)).astype(np.float32)
    words[:, 0] = 1
    tested = [524, 520, 525, 522]  # 521 and 523 are not there
    _write_raw(tmp_path / "input" / "planetoid", "citeseer", tested, words)
    graph = _convert_made(tmp_path, "citeseer")
    expected = words / words.sum(axis=1, keepdims=True)
    expected[[521, 523]] = 0
    np.testing.assert_allclose(graph.array("features"), expected, rtol=1e-6)
    np.testing.assert_array_equal(graph.array("test"), sorted(tested))
    np.testing.assert_array_equal(graph.array("labels")[tested], np.array(tested) % 2)
    degrees = np.diff(graph.array("indptr"))
    assert np.flatnonzero(degrees == 0).tolist() == [521, 523]
    assert graph.meta.edges == 2 * (524 - 1)


def test_citeseer_that_lost_a_test_node_is_damaged(tmp_path: Path) -> None:
    words = np.ones((526, 9), np.float32)
    _write_raw(tmp_path / "input" / "planetoid", "citeseer", [524, 520, 525, 522], words)
    (tmp_path / "input" / "planetoid" / "ind.citeseer.test.index").write_text("524\n520\n525\n")
    with pytest.raises(DataError, match=r"ind\.citeseer\.test\.index is damaged: 3 test nodes instead of 4"):
        _convert_made(tmp_path, "citeseer")


def test_pubmed_keeps_the_proportions_of_its_tf_idf_weights(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    words = (random.random((526, 9)) * (random.random((526, 9)) < 0.5)).astype(np.float32)
    words[:, 0] = 0.1046
    tested = [523, 520, 525, 522, 521, 524]
    _write_raw(tmp_path / "input" / "planetoid", "pubmed", tested, words)
    graph = _convert_made(tmp_path, "pubmed")
    np.testing.assert_allclose(graph.array("features"), words / words.sum(axis=1, keepdims=True), rtol=1e-5)
    assert graph.meta.splits == {"train": 12, "validation": 500, "test": 6}
    np.testing.assert_array_equal(graph.array("labels"), np.arange(526) % 2)
