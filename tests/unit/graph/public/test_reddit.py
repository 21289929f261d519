"""Reddit, from tiny files in its real form."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from picluster.errors import DataError
from picluster.graph.folder import GraphFolder
from picluster.graph.public import reddit
from picluster.graph.public.raw_files import run_download
from picluster.graph.public.reddit import write_reddit

sparse = pytest.importorskip("scipy.sparse", reason="the raw file is scipy's")

NODES = 50


def _write_raw(folder: Path, **changes: Any) -> None:
    random = np.random.default_rng(0)
    folder.mkdir(parents=True, exist_ok=True)
    ids = random.integers(0, NODES, (2, 300)).astype(np.int32)
    row, column = np.concatenate([ids, ids[::-1]], axis=1)
    matrix = sparse.coo_matrix((np.ones(600), (row, column)), shape=(NODES, NODES))
    sparse.save_npz(folder / "reddit_graph.npz", matrix)
    arrays = {
        "feature": random.normal(size=(NODES, 5)),
        "label": random.integers(0, 4, NODES),
        "node_types": random.integers(1, 4, NODES),
        "node_ids": np.arange(NODES),
    }
    np.savez(folder / "reddit_data.npz", **(arrays | changes))


def _no_network(_: Path) -> Path:
    raise DataError("there is no network")


def _convert(tmp_path: Path) -> GraphFolder:
    path = tmp_path / "graphs" / "reddit"
    write_reddit(path, input_folder=tmp_path / "input", feature_dtype="float32", fetch=_no_network)
    return GraphFolder.open(path)


def test_pyg_reads_the_same_graph(tmp_path: Path) -> None:
    data = pytest.importorskip("torch_geometric.datasets", exc_type=ImportError)
    utils = pytest.importorskip("torch_geometric.utils", exc_type=ImportError)
    _write_raw(tmp_path / "input" / "reddit")
    graph = _convert(tmp_path)
    _write_raw(tmp_path / "pyg" / "raw")
    [seen] = data.Reddit(str(tmp_path / "pyg"))
    source, target = utils.sort_edge_index(utils.remove_self_loops(seen.edge_index)[0], sort_by_row=False).numpy()
    np.testing.assert_array_equal(graph.neighbour_ids()[:], source)
    np.testing.assert_array_equal(np.diff(graph.array("indptr")), np.bincount(target, minlength=NODES))
    np.testing.assert_array_equal(graph.array("features"), seen.x.numpy())
    np.testing.assert_array_equal(graph.array("labels"), seen.y.numpy())
    for name, mask in (("train", seen.train_mask), ("validation", seen.val_mask), ("test", seen.test_mask)):
        np.testing.assert_array_equal(graph.array(name), np.flatnonzero(mask.numpy()))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"label": np.zeros(49, int)}, "50 rows of features, 49 labels and 50 node types"),
        ({"feature": np.zeros((40, 5))}, "40 rows of features"),
        ({"feature": np.array([{}], object)}, "feature cannot be read"),
    ],
)
def test_arrays_that_do_not_fit_together_are_refused(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    _write_raw(tmp_path / "input" / "reddit", **changes)
    with pytest.raises(DataError, match=rf"reddit_data\.npz is damaged: {message}"):
        _convert(tmp_path)
    assert list((tmp_path / "graphs").iterdir()) == []


def test_edges_of_nodes_that_there_are_not_are_refused(tmp_path: Path) -> None:
    _write_raw(tmp_path / "input" / "reddit")
    matrix = sparse.coo_matrix(([1.0], ([3], [NODES])), shape=(NODES + 1, NODES + 1))
    sparse.save_npz(tmp_path / "input" / "reddit" / "reddit_graph.npz", matrix)
    with pytest.raises(DataError, match=rf"reddit_graph\.npz is damaged: nodes {NODES} to {NODES}, but there are 50"):
        _convert(tmp_path)


@pytest.mark.parametrize("file", reddit.FILES)
def test_a_truncated_file_is_named(tmp_path: Path, file: str) -> None:
    _write_raw(tmp_path / "input" / "reddit")
    damaged = tmp_path / "input" / "reddit" / file
    damaged.write_bytes(damaged.read_bytes()[: damaged.stat().st_size // 2])
    with pytest.raises(DataError, match=f"{file} is damaged"):
        _convert(tmp_path)


def test_files_that_are_nowhere_are_listed_with_their_folder_and_nothing_stays(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="there is no network") as caught:
        _convert(tmp_path)
    assert caught.value.fix == f"put reddit_data.npz, reddit_graph.npz into {tmp_path.resolve()}/input/reddit"
    assert list((tmp_path / "graphs").iterdir()) == []


@pytest.mark.slow
def test_pyg_downloads_without_converting(tmp_path: Path) -> None:
    pytest.importorskip("torch_geometric.datasets", exc_type=ImportError)
    offline = (
        "from pathlib import Path; from torch_geometric.datasets import Reddit\n"
        f"Reddit.download = lambda self: [Path(self.raw_dir, name).touch() for name in {reddit.FILES}]\n"
    )
    run_download(offline + reddit._DOWNLOAD, str(tmp_path), timeout_s=120)
    assert sorted(file.name for file in (tmp_path / "raw").iterdir()) == list(reddit.FILES)
