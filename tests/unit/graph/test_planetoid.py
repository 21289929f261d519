"""Cora, from its published raw files."""

import shutil
import warnings
from pathlib import Path

import numpy as np
import pytest

from picluster.errors import DataError
from picluster.graph.folder import GraphFolder
from picluster.graph.planetoid import PARTS, write_planetoid


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
    indices = cora.array("indices").astype(np.int64)
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
    np.testing.assert_array_equal(cora.array("indices"), data.edge_index[0].numpy())


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
