"""ogbn-arxiv and ogbn-products, from tiny files in their real form."""

import gzip
import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from picluster.errors import DataError, MissingError
from picluster.graph.folder import GraphFolder
from picluster.graph.public import ogb
from picluster.graph.public.ogb import write_ogb

NODES = 30
PACKAGE = """
import os
def read_csv_graph_raw(*_): raise SystemExit("nobody wants this conversion")
class NodePropPredDataset:
    def __init__(self, name, root):
        assert input("This will download 1.38GB. Will you proceed? (y/N)") == "y"
        os.makedirs(os.path.join(root, name.replace("-", "_"), "raw"))
        read_csv_graph_raw(root)
"""


def _write_csv(file: Path, rows: Any, fmt: str = "%d") -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    with gzip.open(file, "wt") as stream:
        np.savetxt(stream, np.asarray(rows), fmt=fmt, delimiter=",")


def _write_raw(folder: Path, split: str) -> dict[str, np.ndarray[Any, Any]]:
    random = np.random.default_rng(0)
    raw = {
        "edge": random.integers(0, NODES, (90, 2)),
        "node-feat": random.normal(size=(NODES, 4)).round(4),
        "node-label": random.integers(0, 5, (NODES, 1)),
        "num-node-list": np.array([NODES]),
        "num-edge-list": np.array([90]),
    }
    for name, rows in raw.items():
        _write_csv(folder / "raw" / f"{name}.csv.gz", rows, "%.4f" if name == "node-feat" else "%d")
    for name, ids in zip(("train", "valid", "test"), np.split(random.permutation(NODES), [15, 20]), strict=True):
        _write_csv(folder / split / f"{name}.csv.gz", ids)
        raw[name] = ids
    return raw


def _no_network(_: Path, __: str) -> Path:
    raise DataError("there is no network")


def _convert(tmp_path: Path, name: str = "ogbn-arxiv") -> GraphFolder:
    path = tmp_path / "graphs" / name
    write_ogb(path, name=name, input_folder=tmp_path / "input", feature_dtype="float32", fetch=_no_network)
    return GraphFolder.open(path)


@pytest.mark.parametrize("name", ogb.SPLIT_FOLDERS)
@pytest.mark.parametrize("chunk", [7, 1 << 16])
def test_the_folder_holds_what_the_files_say(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, chunk: int
) -> None:
    monkeypatch.setattr(ogb, "_CHUNK_ROWS", chunk)
    raw = _write_raw(tmp_path / "input" / name.replace("-", "_"), ogb.SPLIT_FOLDERS[name])
    graph = _convert(tmp_path, name)
    np.testing.assert_array_equal(graph.array("features"), raw["node-feat"].astype(np.float32))
    np.testing.assert_array_equal(graph.array("labels"), raw["node-label"][:, 0])
    for split, file in (("train", "train"), ("validation", "valid"), ("test", "test")):
        np.testing.assert_array_equal(graph.array(split), np.sort(raw[file]))


def test_edges_lead_both_ways(tmp_path: Path) -> None:
    raw = _write_raw(tmp_path / "input" / "ogbn_arxiv", ogb.SPLIT_FOLDERS["ogbn-arxiv"])
    graph = _convert(tmp_path)
    targets = np.repeat(np.arange(NODES), np.diff(graph.array("indptr")))
    found = set(zip(targets.tolist(), graph.neighbour_ids()[:].tolist(), strict=True))
    given = {(source, target) for source, target in raw["edge"].tolist() if source != target}
    assert found == given | {(target, source) for source, target in given}


def _cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


@pytest.mark.parametrize(
    ("file", "harm", "message"),
    [
        ("raw/edge.csv.gz", _cut, "damaged"),
        ("raw/edge.csv.gz", lambda file: _write_csv(file, np.zeros((89, 2))), "it has 89 rows, not 90"),
        ("raw/edge.csv.gz", lambda file: _write_csv(file, np.full((90, 2), NODES)), "nodes 30 to 30, but there are 30"),
        ("raw/node-feat.csv.gz", _cut, "damaged"),
        ("raw/node-feat.csv.gz", lambda file: _write_csv(file, np.zeros((31, 4))), "it has more rows, not 30"),
        ("raw/node-label.csv.gz", lambda file: file.write_bytes(b"1\n2\n"), "Not a gzipped file"),
        ("raw/num-node-list.csv.gz", lambda file: _write_csv(file, []), "it is empty"),
        ("split/time/valid.csv.gz", lambda file: _write_csv(file, [-1]), "nodes -1 to -1"),
    ],
)
def test_damage_is_said_with_its_file_and_leaves_nothing_behind(
    tmp_path: Path, file: str, harm: Callable[[Path], None], message: str
) -> None:
    _write_raw(tmp_path / "input" / "ogbn_arxiv", ogb.SPLIT_FOLDERS["ogbn-arxiv"])
    harm(tmp_path / "input" / "ogbn_arxiv" / file)
    with pytest.raises(DataError, match=message) as caught:
        _convert(tmp_path)
    assert file in caught.value.what
    assert not (tmp_path / "graphs").exists() or not list((tmp_path / "graphs").iterdir())


def test_files_that_are_nowhere_are_listed_with_their_folder(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="there is no network") as caught:
        _convert(tmp_path)
    assert "raw/edge.csv.gz" in caught.value.fix
    assert "split/time/valid.csv.gz" in caught.value.fix
    assert caught.value.fix.endswith("input/ogbn_arxiv")


@pytest.mark.skipif(importlib.util.find_spec("ogb") is not None, reason="ogb is installed")
def test_without_the_package_the_person_is_told_how_to_get_it(tmp_path: Path) -> None:
    with pytest.raises(MissingError, match="ogbn-arxiv needs the package ogb") as caught:
        ogb.download(tmp_path, "ogbn-arxiv")
    assert caught.value.fix == "pip install ogb"


def test_the_package_is_answered_and_does_not_convert(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "packages" / "ogb" / "nodeproppred"
    package.mkdir(parents=True)
    (package.parent / "__init__.py").touch()
    (package / "__init__.py").touch()
    (package / "dataset.py").write_text(PACKAGE)
    monkeypatch.syspath_prepend(str(tmp_path / "packages"))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "packages"))
    assert (ogb.download(tmp_path / "root", "ogbn-products") / "raw").is_dir()
