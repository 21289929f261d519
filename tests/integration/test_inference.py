"""Exact inference in real processes against PyG on the whole graph in one process, and under other plans."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from msgspec.structs import replace
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.nn import Linear

from picluster.controller.nodes.local import LocalMachine
from picluster.controller.record.all_runs import create_run
from picluster.controller.record.run_folder import RunFolder
from picluster.controller.running.launch import Launch, Prediction
from picluster.controller.running.launcher import Launcher
from picluster.graph.folder import GraphFolder
from picluster.graph.writer import GraphWriter
from picluster.schema.events import CheckpointWritten, EpochDone, Resources
from picluster.schema.events import Tested as Accuracy  # pytest would take it for a test
from picluster.schema.plan import Cut, Plan, StagePlan
from tests.integration.desk import GRAPH, Desk

pyg = pytest.importorskip("torch_geometric.nn", reason="it is what we compare with", exc_type=ImportError)

pytestmark = pytest.mark.slow

TARGETS_AT_ONCE = 256
HIDDEN = 24
GAT = """
from torch_geometric.nn import GATConv
from picluster.nn import PygLayer

def layers(*, features, classes, depth=2, hidden=24, dropout=0.5):
    return [
        PygLayer(GATConv(features, hidden // 4, heads=4), dropout=dropout),
        PygLayer(GATConv(hidden, classes), dropout=dropout, last=True),
    ]
"""
DEPTHS = {"sage": 2, "gcn": 2, "gcnii": 4, "gat": 2}


@dataclass(frozen=True)
class Trained:
    """A model after one epoch."""

    run: RunFolder
    weights: Path
    graph: GraphFolder
    folder: Path

    def predict(self, plan: Plan) -> np.ndarray[Any, Any]:
        """Class probabilities (N, classes) of all nodes, under some plan."""
        folder = create_run("predict", "any", self.folder)
        with ExitStack() as stack:
            transports = {node: stack.enter_context(closing(LocalMachine())) for node in plan.nodes}
            launch = Launch(
                spec=self.run.run().spec,
                plan=plan,
                model_file=self.run.model_file,
                graph_folder=self.graph.path,
                transports=transports,
                grace_seconds=5.0,
                folder=folder,
                prediction=Prediction(self.weights, folder.path / "probabilities.npy"),
            )
            result = Launcher(launch, lambda _node, _event: None).run()
        assert result.status == "finished", result.failure
        found: np.ndarray[Any, Any] = np.load(folder.path / "probabilities.npy")
        return found


def trained(desk: Desk, folder: Path, model: str, *words: str) -> Trained:
    """Train in a layer-split plan, so that several files make the weights."""
    name = model
    if model == "gat":
        (folder / "gat.py").write_text(GAT)
        name = str(folder / "gat.py")
    depth = DEPTHS[model]
    cut = ("--layers-per-node", str(depth // 2), "--nodes", "3")
    run = desk.launch(*words, "--model", name, "--depth", str(depth), "--epochs", "3", *cut)
    (epoch,) = {each.event.epoch for each in run.events() if isinstance(each.event, CheckpointWritten)}
    weights = folder / f"{model}.safetensors"
    files = sorted(run.checkpoint_folder(epoch).glob("*.safetensors"))
    assert len(files) == 2
    save_file({name: tensor for file in files for name, tensor in load_file(file).items()}, weights)
    return Trained(run, weights, GraphFolder.open(desk.folder / "graphs" / run.run().graph.name), folder)


@pytest.fixture(scope="module")
def small(desk: Desk, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Trained]:
    """Each model is trained once, when it is asked for."""
    made: dict[str, Trained] = {}

    def of(model: str) -> Trained:
        if model not in made:
            words = (*GRAPH, "--hidden", str(HIDDEN), "--learning-rate", "0.02")
            made[model] = trained(desk, tmp_path_factory.mktemp(model), model, *words)
        return made[model]

    return of


def plan_of(*stages: tuple[tuple[int, ...], tuple[str, ...]], receives: Cut, sampler: tuple[str, ...]) -> Plan:
    made = tuple(StagePlan(layers=layers, nodes=nodes, receives=receives) for layers, nodes in stages)
    return Plan(strategy="layer-split", engine="gloo", sampler=sampler, stages=made)


def plan_for(name: str, depth: int, receives: Cut) -> Plan:
    """Placements of a model of that many layers; `receives` where the model leaves no choice."""
    everything = tuple(range(1, depth + 1))
    first, second = everything[: depth // 2], everything[depth // 2 :]
    three = ("pi1", "pi2", "pi3")
    return {
        "single": plan_of((everything, ("pi1",)), receives=receives, sampler=("pi1",)),
        "layer-split": plan_of((first, ("pi2",)), (second, ("pi3",)), receives=receives, sampler=("pi1",)),
        "three replicas of stage 1": plan_of((first, three), (second, ("pi4",)), receives=receives, sampler=("pi5",)),
        "data-parallel": plan_of((everything, three), receives=receives, sampler=three),
        "rows cross": plan_of((first, ("pi1",)), (second, ("pi2", "pi3")), receives="rows", sampler=("pi3",)),
    }[name]


def reference_logits(model: str, found: Trained) -> Tensor:
    """Plain PyG, layer by layer over the whole graph; features in fp32."""
    weights, graph = load_file(found.weights), found.graph
    x = torch.from_numpy(graph.array("features")).float()
    return {"sage": sage, "gcn": gcn, "gcnii": gcnii, "gat": gat}[model](weights, x, graph)


def edges_of(graph: GraphFolder) -> Tensor:
    """(2, E) source and target."""
    indptr = graph.array("indptr")
    targets = np.repeat(np.arange(len(indptr) - 1), np.diff(indptr))
    return torch.from_numpy(np.stack([graph.neighbour_ids()[:].astype(np.int64), targets]))


def loaded(module: Any, weights: dict[str, Tensor], name: str) -> Any:
    prefix = f"{name}."
    mine = {key.removeprefix(prefix): value for key, value in weights.items() if key.startswith(prefix)}
    module.load_state_dict(mine, strict=True)
    return module.eval()


def sage(weights: dict[str, Tensor], h: Tensor, graph: GraphFolder) -> Tensor:
    """Some targets at a time: `SAGEConv` makes a row for each edge."""
    indptr, indices = (torch.from_numpy(a).long() for a in (graph.array("indptr"), graph.neighbour_ids()[:]))
    for layer, width in enumerate((weights["convs.0.lin_l.bias"].numel(), graph.meta.classes)):
        convolution = loaded(pyg.SAGEConv(h.shape[1], width), weights, f"convs.{layer}")
        parts = []
        for begin in range(0, len(h), TARGETS_AT_ONCE):
            own = h[begin : begin + TARGETS_AT_ONCE]
            ends = indptr[begin : begin + len(own) + 1]
            local = torch.repeat_interleave(torch.arange(len(own)), ends.diff())
            parts.append(convolution((h, own), torch.stack([indices[ends[0] : ends[-1]], local])))
        h = torch.cat(parts) if layer else torch.cat(parts).relu()
    return h


def gcn(weights: dict[str, Tensor], h: Tensor, graph: GraphFolder) -> Tensor:
    edges, classes = edges_of(graph), graph.meta.classes
    h = loaded(pyg.GCNConv(h.shape[1], HIDDEN), weights, "convs.0")(h, edges).relu()
    scores: Tensor = loaded(pyg.GCNConv(HIDDEN, classes), weights, "convs.1")(h, edges)
    return scores


def gcnii(weights: dict[str, Tensor], h: Tensor, graph: GraphFolder) -> Tensor:
    edges = edges_of(graph)
    first = h = loaded(Linear(h.shape[1], HIDDEN), weights, "lins.0")(h).relu()
    for number in range(1, DEPTHS["gcnii"] + 1):
        convolution = pyg.GCN2Conv(HIDDEN, alpha=0.1, theta=0.5, layer=number)
        h = loaded(convolution, weights, f"convs.{number - 1}")(h, first, edges).relu()
    scores: Tensor = loaded(Linear(HIDDEN, graph.meta.classes), weights, "lins.1")(h)
    return scores


def gat(weights: dict[str, Tensor], h: Tensor, graph: GraphFolder) -> Tensor:
    edges, classes = edges_of(graph), graph.meta.classes
    h = loaded(pyg.GATConv(h.shape[1], HIDDEN // 4, heads=4), weights, "convs.0")(h, edges).relu()
    scores: Tensor = loaded(pyg.GATConv(HIDDEN, classes), weights, "convs.1")(h, edges)
    return scores


@torch.no_grad()
def assert_agrees_with_pyg(model: str, found: Trained, probabilities: np.ndarray[Any, Any]) -> None:
    """Scores up to a shift of each row, predictions, and the accuracy that the run told of."""
    expected = reference_logits(model, found).log_softmax(dim=1)
    logarithms = torch.from_numpy(probabilities).log()
    assert probabilities.shape == (found.graph.meta.nodes, found.graph.meta.classes)
    assert probabilities.dtype == np.float32
    torch.testing.assert_close(logarithms, expected, rtol=0, atol=1e-4)
    predictions = expected.argmax(dim=1)
    assert torch.equal(logarithms.argmax(dim=1), predictions)
    assert len(set(predictions.tolist())) > 3, "it has learnt something"
    test, labels = (torch.from_numpy(found.graph.array(name)).long() for name in ("test", "labels"))
    result = found.run.result()
    assert result is not None
    assert result.test_accuracy == int((predictions == labels)[test].sum()) / len(test)


def cut_of(model: str) -> Cut:
    return "rows" if model == "gat" else "aggregated"


@pytest.mark.parametrize(
    "model", ["sage", *(pytest.param(m, marks=pytest.mark.thorough) for m in ("gat", "gcn", "gcnii"))]
)
def test_exact_scores_and_test_accuracy_equal_plain_pyg_on_the_whole_graph(
    small: Callable[[str], Trained], model: str
) -> None:
    found = small(model)
    assert_agrees_with_pyg(model, found, found.predict(found.run.plan()))


@pytest.mark.parametrize(("model", "plan"), [("sage", "three replicas of stage 1"), ("gcnii", "rows cross")])
def test_predictions_of_another_plan_are_bitwise_those_of_a_single_process(
    small: Callable[[str], Trained], model: str, plan: str
) -> None:
    found = small(model)
    single = found.predict(plan_for("single", DEPTHS[model], cut_of(model)))
    assert np.array_equal(found.predict(plan_for(plan, DEPTHS[model], cut_of(model))), single)


@pytest.mark.thorough  # two models are above, under the plan that asks most of each
@pytest.mark.parametrize("model", ["gat"])
def test_predictions_are_bitwise_the_same_under_all_plans_and_engines(
    small: Callable[[str], Trained], model: str
) -> None:
    found, receives = small(model), cut_of(model)
    single = found.predict(plan_for("single", DEPTHS[model], receives))
    for name in ("data-parallel", "rows cross"):
        plan = plan_for(name, DEPTHS[model], receives)
        assert np.array_equal(found.predict(plan), single), name
    over_rpc = replace(plan_for("layer-split", DEPTHS[model], receives), engine="rpc")
    assert np.array_equal(found.predict(over_rpc), single)


@pytest.mark.thorough
def test_exact_scores_of_many_chunks_equal_plain_pyg_on_the_whole_graph(desk: Desk, tmp_path: Path) -> None:
    found = trained(desk, tmp_path, "sage", "--dataset", "reddit-like", "--scale", "0.05")
    assert found.graph.meta.nodes > 10_000
    assert_agrees_with_pyg("sage", found, found.predict(plan_for("three replicas of stage 1", 2, "aggregated")))


FEW_TRAINING_NODES = 3072
MEGABYTE = 1e6


@pytest.fixture
def as_large_as_reddit(desk: Desk) -> Iterator[str]:
    """The graph of Reddit's size with few training nodes, so that an epoch is short; 1.1 GB, removed afterwards."""
    done = desk.picluster("dataset", "prepare", "reddit-like", "--scale", "1")
    assert done.returncode == 0, done.stderr
    whole = GraphFolder.open(desk.folder / "graphs" / "reddit-like-1")
    with GraphWriter(desk.folder / "graphs" / "few-train", source="reddit-like", classes=whole.meta.classes) as writer:
        for name in whole.meta.files:
            array = whole.neighbour_ids()[:] if name == "indices" else whole.array(name)
            writer.write(name, array[:: len(array) // FEW_TRAINING_NODES] if name == "train" else array)
    shutil.rmtree(whole.path)
    yield "few-train"
    shutil.rmtree(desk.folder / "graphs" / "few-train")


@pytest.mark.timeout(900)
@pytest.mark.quiet
@pytest.mark.thorough  # a graph of that size is made first: minutes
def test_a_graph_of_reddits_size_is_tested_exactly_within_600_mb_a_node_and_90_seconds(
    desk: Desk, as_large_as_reddit: str
) -> None:
    cut = ("--layers-per-node", "1", "--nodes", "3")
    run = desk.launch("--dataset", as_large_as_reddit, "--model", "sage", "--epochs", "1", *cut)
    peaks = {
        node: max(each.event.peak_anonymous_bytes for each in run.metrics(node) if isinstance(each.event, Resources))
        for node in run.plan().nodes
    }
    (ended,) = [each.time for each in run.events() if isinstance(each.event, EpochDone)]
    (tested,) = [each.time for each in run.events() if isinstance(each.event, Accuracy)]
    figures = {node: round(peak / MEGABYTE) for node, peak in peaks.items()}
    print(f"peak anonymous MB: {figures}; exact test: {tested - ended:.1f} s")  # noqa: T201  pytest -rP shows it
    assert len(peaks) == 3
    assert max(peaks.values()) <= 600 * MEGABYTE
    assert tested - ended < 90
