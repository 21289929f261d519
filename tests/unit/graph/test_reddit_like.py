"""The generated graph: its shape, and that it is worth learning on."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from picluster.graph.folder import GraphFolder
from picluster.graph.reddit_like import CLASSES, FEATURES, Sizes, write_reddit_like


def _generate(path: Path, scale: float = 0.002, seed: int = 0, feature_dtype: str = "float16") -> GraphFolder:
    write_reddit_like(path, scale=scale, seed=seed, feature_dtype=feature_dtype)
    return GraphFolder.open(path)


def _checksums(folder: GraphFolder) -> dict[str, str]:
    return {name: file.sha256 for name, file in folder.meta.files.items()}


def _adjacency(folder: GraphFolder) -> Any:
    sparse = pytest.importorskip("scipy.sparse")
    indices, indptr = folder.neighbour_ids()[:], folder.array("indptr")
    shape = (folder.meta.nodes, folder.meta.nodes)
    return sparse.csr_array((np.ones(len(indices), np.float32), indices, indptr), shape=shape)


def test_the_same_scale_and_seed_give_the_same_bytes(tmp_path: Path) -> None:
    assert _checksums(_generate(tmp_path / "one")) == _checksums(_generate(tmp_path / "two"))


def test_another_seed_changes_every_array(tmp_path: Path) -> None:
    one, two = _checksums(_generate(tmp_path / "one")), _checksums(_generate(tmp_path / "two", seed=1))
    assert all(one[name] != two[name] for name in one)


def test_the_feature_dtype_changes_nothing_but_the_features(tmp_path: Path) -> None:
    half, full = _generate(tmp_path / "half"), _generate(tmp_path / "full", feature_dtype="float32")
    packed = _generate(tmp_path / "packed", feature_dtype="int8")
    for other in (full, packed):
        assert [n for n in _checksums(half) if _checksums(half)[n] != _checksums(other)[n]] == ["features"]
    rows = full.feature_rows()
    np.testing.assert_allclose(packed.feature_rows(), rows, atol=np.abs(rows).max() / 253)
    np.testing.assert_array_equal(half.array("features"), full.array("features").astype(np.float16))


@settings(max_examples=10, deadline=None)
@given(scale=st.floats(0.001, 0.01), seed=st.integers(0, 2**32))
def test_neighbours_are_ascending_distinct_mutual_and_never_the_node_itself(
    scale: float, seed: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = _generate(tmp_path_factory.mktemp("graphs") / "any", scale, seed)
    indptr, indices = folder.array("indptr"), folder.neighbour_ids()[:].astype(np.int64)
    targets = np.repeat(np.arange(folder.meta.nodes), np.diff(indptr))
    assert (np.diff(targets * folder.meta.nodes + indices) > 0).all()  # ascending within a node, hence distinct
    assert (targets != indices).all()
    adjacency = _adjacency(folder)
    assert (adjacency != adjacency.T).nnz == 0


def test_at_full_scale_the_sizes_are_reddits() -> None:
    sizes = Sizes.at(1)
    assert (sizes.nodes, sizes.train, sizes.validation) == (232_965, 153_431, 23_831)
    assert sizes.nodes - sizes.train - sizes.validation == 55_703
    assert 2 * sizes.edges == pytest.approx(114.6e6, rel=0.001)


def test_beyond_full_scale_nodes_have_as_many_neighbours() -> None:
    sizes = Sizes.at(3)
    assert sizes.nodes == 698_895
    assert 2 * sizes.edges == pytest.approx(344e6, rel=0.001)


def test_the_sizes_are_near_what_the_scale_asks_for(reddit_like: GraphFolder) -> None:
    meta, sizes = reddit_like.meta, Sizes.at(0.03)
    assert (meta.nodes, meta.features, meta.classes) == (sizes.nodes, FEATURES, CLASSES)
    assert meta.edges == pytest.approx(2 * sizes.edges, rel=0.005)
    assert reddit_like.array("indptr")[-1] == meta.edges


def test_the_splits_are_ascending_and_divide_the_nodes(reddit_like: GraphFolder) -> None:
    parts = [reddit_like.array(name) for name in ("train", "validation", "test")]
    assert all((np.diff(part) > 0).all() for part in parts)
    np.testing.assert_array_equal(np.sort(np.concatenate(parts)), np.arange(reddit_like.meta.nodes))


def test_most_edges_stay_within_a_class(reddit_like: GraphFolder) -> None:
    labels = reddit_like.array("labels")
    targets = np.repeat(np.arange(reddit_like.meta.nodes), np.diff(reddit_like.array("indptr")))
    same = labels[targets] == labels[reddit_like.neighbour_ids()[:]]
    assert same.mean() == pytest.approx(0.7, abs=0.05)  # 0.74 at scale 1, where classes have room


def test_some_nodes_have_most_of_their_neighbours_in_other_classes(reddit_like: GraphFolder) -> None:
    labels, indptr = reddit_like.array("labels"), reddit_like.array("indptr")
    targets = np.repeat(np.arange(reddit_like.meta.nodes), np.diff(indptr))
    alike = np.bincount(targets, labels[targets] == labels[reddit_like.neighbour_ids()[:]], len(labels))
    assert 0.03 < (alike / np.maximum(np.diff(indptr), 1) < 0.5).mean() < 0.3


def test_degrees_are_spread_widely_around_their_mean(reddit_like: GraphFolder) -> None:
    degrees = np.diff(reddit_like.array("indptr"))
    assert np.median(degrees) < 0.8 * degrees.mean()
    assert degrees.max() > 9 * degrees.mean()


def test_node_ids_say_nothing_of_the_class(reddit_like: GraphFolder) -> None:
    labels = reddit_like.array("labels")
    assert (labels[1:] == labels[:-1]).mean() < 0.1


def test_neighbours_tell_far_more_of_a_class_than_features_alone(reddit_like: GraphFolder) -> None:
    features = reddit_like.array("features").astype(np.float32)
    adjacency = _adjacency(reddit_like)
    mean = adjacency @ features / np.maximum(adjacency.sum(axis=1), 1)[:, None]
    alone = _linear_accuracy(features, reddit_like)
    together = _linear_accuracy(mean, reddit_like)
    assert alone < 0.3
    assert 0.9 < together < 0.98


def _linear_accuracy(rows: np.ndarray[Any, Any], folder: GraphFolder) -> float:
    """Test accuracy of ridge regression onto the classes, in closed form."""
    rows = rows / rows.std()
    train, test, labels = folder.array("train"), folder.array("test"), folder.array("labels")
    wanted = np.eye(CLASSES, dtype=np.float32)[labels[train]] - 1 / CLASSES
    gram = rows[train].T @ rows[train] + 100 * np.eye(rows.shape[1], dtype=np.float32)
    scores = rows[test] @ np.linalg.solve(gram, rows[train].T @ wanted)
    return float((scores.argmax(axis=1) == labels[test]).mean())
