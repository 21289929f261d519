"""What a run has learnt, taken out of it: real weights, real predictions."""

from __future__ import annotations

import csv
import shutil
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.numpy import load_file
from safetensors.torch import load_file as load_tensors

from picluster.controller.record.run_folder import RunFolder
from picluster.graph.folder import GraphFolder
from tests.integration.desk import GRAPH, Desk

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def run(desk: Desk) -> RunFolder:
    return desk.launch(*GRAPH, "--layers-per-node", "1", "--epochs", "2", "--hidden", "8", "--fanout", "5,5")


def graph_of(desk: Desk, run: RunFolder) -> GraphFolder:
    return GraphFolder.open(desk.folder / "graphs" / run.run().spec.dataset)


def test_weights_of_all_stages_come_as_one_file_by_the_names_of_pyg(desk: Desk, run: RunFolder) -> None:
    done = desk.picluster("export", run.name, "--output", "weights.safetensors")
    assert done.returncode == 0, done.stderr
    file = desk.folder / "weights.safetensors"
    shapes = {name: array.shape for name, array in load_file(file).items()}
    assert shapes == {
        "convs.0.lin_l.weight": (8, 602),
        "convs.0.lin_l.bias": (8,),
        "convs.0.lin_r.weight": (8, 602),
        "convs.1.lin_l.weight": (41, 8),
        "convs.1.lin_l.bias": (41,),
        "convs.1.lin_r.weight": (41, 8),
    }
    with safe_open(file, framework="np") as opened:
        metadata = opened.metadata()
    assert (metadata["run"], metadata["classes"]) == (run.name, "41")


def test_predictions_are_those_of_the_test_of_the_run_in_every_form(desk: Desk, run: RunFolder) -> None:
    for form in ("npy", "npz", "csv"):
        done = desk.picluster("export", run.name, "--predictions", f"classes.{form}")
        assert done.returncode == 0, done.stderr
    probabilities = np.load(desk.folder / "classes.npy")
    graph = graph_of(desk, run)
    assert probabilities.shape == (graph.meta.nodes, graph.meta.classes)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-5)
    test = graph.array("test")
    accuracy = float((probabilities[test].argmax(axis=1) == graph.array("labels")[test]).mean())
    result = run.result()
    assert result is not None
    assert accuracy == result.test_accuracy
    np.testing.assert_array_equal(np.load(desk.folder / "classes.npz")["probabilities"], probabilities)
    lines = np.genfromtxt(desk.folder / "classes.csv", delimiter=",", skip_header=1)
    np.testing.assert_allclose(lines[:, 1:], probabilities, rtol=1e-5, atol=1e-9)
    assert not list(desk.folder.glob(".picluster-*"))


def test_predictions_call_classes_by_their_names(desk: Desk, run: RunFolder, tmp_path: Path) -> None:
    meta = desk.folder / "graphs" / run.run().spec.dataset / "meta.json"
    before = meta.read_bytes()
    names = ["node", "red, or green", 'the "best"', "two\nlines", *(f"größe {label}" for label in range(4, 41))]
    try:
        meta.write_bytes(msgspec.json.encode({**msgspec.json.decode(before), "class_names": names}))
        done = [
            desk.picluster("export", run.name, "--predictions", str(tmp_path / name)) for name in ("p.csv", "p.npz")
        ]
    finally:
        meta.write_bytes(before)
    assert [each.returncode for each in done] == [0, 0], done
    with (tmp_path / "p.csv").open(newline="", encoding="utf-8") as lines:
        head, first, *_ = csv.reader(lines)
    assert head == ["node", "node (class 0)", *names[1:]]
    assert len(first) == 42
    assert np.load(tmp_path / "p.npz")["class_names"].tolist() == names


def test_predictions_of_ones_own_graph_have_its_names(desk: Desk) -> None:
    papers = [f"paper, {letter}" for letter in "abcdefgh"]
    table: dict[str, list[Any]] = {
        "edges": [["source", "target"], *pairwise(papers)],
        "features": [["id", "x", "y"], *([paper, place, place / 2] for place, paper in enumerate(papers))],
        "labels": [["id", "label"], *([paper, ("cat", "dog")[place % 2]] for place, paper in enumerate(papers))],
    }
    for name, rows in table.items():
        with (desk.folder / f"{name}.csv").open("w", newline="") as file:
            csv.writer(file).writerows(rows)
    words = [word for name in table for word in (f"--{name}", f"{name}.csv")]
    imported = desk.picluster("dataset", "import", "papers", *words)
    assert imported.returncode == 0, imported.stderr
    run = desk.launch("--dataset", "papers", "--strategy", "single", "--epochs", "1")
    for form in ("csv", "npz"):
        assert desk.picluster("export", run.name, "--predictions", f"papers.{form}").returncode == 0
    with (desk.folder / "papers.csv").open(newline="", encoding="utf-8") as lines:
        head, *rows = csv.reader(lines)
    assert head == ["node", "cat", "dog"]
    assert [row[0] for row in rows] == papers
    arrays = np.load(desk.folder / "papers.npz")
    assert (arrays["node_names"].tolist(), arrays["class_names"].tolist()) == (papers, ["cat", "dog"])
    np.testing.assert_allclose(arrays["probabilities"], [[float(each) for each in row[1:]] for row in rows], rtol=1e-5)


GIN = """
from torch.nn import Linear
from torch_geometric.nn import MLP, GINConv

from picluster.nn import Layer, PygLayer


def layers(*, features: int, classes: int, depth: int = 2) -> list[Layer]:
    return [
        PygLayer(GINConv(MLP([features, 16, 8], norm=None), eps=0.5)),
        PygLayer(GINConv(Linear(8, classes), eps=0.25, train_eps=True), last=True),
    ]
"""


def test_buffers_are_exported_so_that_pyg_loads_strictly_and_predicts_what_the_report_says(
    desk: Desk, tmp_path: Path
) -> None:
    pyg = pytest.importorskip("torch_geometric.nn", exc_type=ImportError)
    (tmp_path / "gin.py").write_text(GIN)
    words = ("--model", str(tmp_path / "gin.py"), "--layers-per-node", "1", "--epochs", "1", "--fanout", "5,5")
    run, file = desk.launch(*GRAPH, *words), tmp_path / "gin.safetensors"
    done = desk.picluster("export", run.name, "--output", str(file))
    assert done.returncode == 0, done.stderr
    graph = graph_of(desk, run)
    first = pyg.GINConv(pyg.MLP([602, 16, 8], norm=None))
    plain = torch.nn.Module()
    plain.convs = torch.nn.ModuleList([first, pyg.GINConv(torch.nn.Linear(8, 41), train_eps=True)])
    plain.load_state_dict(load_tensors(file), strict=True)
    assert first.eps == 0.5
    names = ("features", "indptr", "labels", "test")
    features, indptr, labels, test = (torch.from_numpy(np.array(graph.array(name))) for name in names)
    edges = torch.stack(
        [torch.from_numpy(graph.neighbour_ids()[:]).long(), torch.arange(len(labels)).repeat_interleave(indptr.diff())]
    )
    with torch.no_grad():
        classes = plain.convs[1](first(features.float(), edges).relu(), edges).argmax(dim=1)
    result = run.result()
    assert result is not None
    assert (classes == labels)[test.long()].double().mean().item() == result.test_accuracy


def damaged(run: RunFolder, folder: Path) -> RunFolder:
    copy = RunFolder(Path(shutil.copytree(run.path, folder)))
    file = next(copy.path.glob("checkpoints/*/*.safetensors"))
    file.write_bytes(file.read_bytes()[:-1])
    return copy


def without_weights(run: RunFolder, folder: Path) -> RunFolder:
    copy = RunFolder(Path(shutil.copytree(run.path, folder)))
    shutil.rmtree(copy.path / "checkpoints")
    return copy


def test_what_cannot_be_exported_is_refused_in_one_clear_line(desk: Desk, run: RunFolder, tmp_path: Path) -> None:
    broken, empty = damaged(run, tmp_path / "broken"), without_weights(run, tmp_path / "empty")
    output = str(tmp_path / "out.safetensors")
    cases = [
        ((run.name,), 2, "nothing to export"),
        ((run.name, "--predictions", str(tmp_path / "p.txt")), 2, "p.txt is no kind of file that predictions are"),
        ((run.name, "--output", str(tmp_path / "w.pt")), 2, "w.pt is no kind of file that weights are written to"),
        ((str(broken.path), "--output", output), 3, "is damaged: its sha256"),
        ((str(empty.path), "--output", output), 3, "run empty has no weights"),
        ((run.name, "--output", str(tmp_path / "no" / "such.safetensors")), 2, "there is no folder"),
        ((run.name, "--predictions", str(tmp_path / "no" / "place.npy")), 2, "there is no folder"),
    ]
    for words, code, message in cases:
        done = desk.picluster("export", *words)
        assert done.returncode == code, (words, done.stderr)
        assert done.stderr.startswith("error: ")
        assert message in done.stderr
        assert "Traceback" not in done.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["broken", "empty"]


def test_predictions_need_the_very_graph_of_the_run(desk: Desk, run: RunFolder, tmp_path: Path) -> None:
    elsewhere = Path(shutil.copytree(run.path, tmp_path / "elsewhere"))
    folder = desk.folder / "graphs" / run.run().spec.dataset
    moved = folder.rename(tmp_path / "graph")
    try:
        done = desk.picluster("export", str(elsewhere), "--predictions", str(tmp_path / "p.npy"))
    finally:
        moved.rename(folder)
    assert done.returncode == 3
    assert "which is not here" in done.stderr
