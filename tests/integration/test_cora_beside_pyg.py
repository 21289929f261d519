"""Cora, learnt here and by plain PyG with the same recipe; and what is exported, against the report."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor
from torch.nn import Module, ModuleList
from torch.nn.functional import cross_entropy, dropout, elu, relu

from picluster.graph.folder import GraphFolder
from picluster.nn import Dropout, GcnLayer, Layer, PygLayer, Rows, SageLayer
from picluster.randomness import Purpose, key
from picluster.schema.spec import Adam, ModelChoice, Spec
from picluster.worker.compute.graph_layer import arrange
from picluster.worker.compute.stage import MicroBatch, Moment, Stage, StageData
from picluster.worker.roles.stage_blocks import micro_batch_of
from picluster.worker.sampling.blocks import message_for
from picluster.worker.sampling.sampler import NeighbourSampler
from tests.integration.desk import Desk

pyg = pytest.importorskip("torch_geometric.nn", reason="it is what we compare with", exc_type=ImportError)

Drop = Callable[[Tensor], Tensor]

SEEDS = {"sage": 5, "gcn": 5}
"""Of the other two the very predictions are compared, with the same masks."""
SAME_MASKS_SEEDS = 2
FEATURES, HIDDEN, CLASSES, DROPPED = 1433, 16, 7, 0.5
LEARNING_RATE, WEIGHT_DECAY = 0.02, (5e-4, 0.0)

MODEL_FILE = """
from torch.nn.functional import elu, relu
from torch_geometric.nn import MLP, GATConv, GINConv

from picluster.nn import Layer, PygLayer


def layers(*, features: int, classes: int, depth: int = 2) -> list[Layer]:
    return [{first}, {second}]
"""


@dataclass(frozen=True)
class Kind:
    """A model of two layers."""

    epochs: int
    convolutions: Callable[[], list[Any]]
    """PyG's."""
    layers: Callable[[list[Any]], list[Layer]]
    """Ours; PyG's convolutions are in them where there is no layer of ours."""
    score: Callable[[Any, Tensor, Tensor, Drop], Tensor]
    """Of one layer in plain PyG, with dropout where ours has it: convolution, rows, edges, dropout → rows."""
    activation: Callable[[Tensor], Tensor] = relu
    text: tuple[str, str] | None = None
    """In a model file; None where the model comes with picluster."""


def gat() -> list[Any]:
    return [pyg.GATConv(FEATURES, 8, heads=8), pyg.GATConv(64, CLASSES, concat=False)]


def gin() -> list[Any]:
    widths = [FEATURES, HIDDEN, CLASSES]
    return [pyg.GINConv(pyg.MLP([widths[i], HIDDEN, widths[i + 1]], norm=None), eps=0.5) for i in range(2)]


def aggregated(how: str, h: Tensor, edges: Tensor) -> Tensor:
    """Of the neighbours' rows, without weights."""
    return _aggregated(how, h, edges) if h.requires_grad else _remembered(how, h, edges)


def _aggregated(how: str, h: Tensor, edges: Tensor) -> Tensor:
    convolution = pyg.SimpleConv(aggr="mean") if how == "mean" else pyg.APPNP(K=1, alpha=0.0)
    found: Tensor = convolution(h, edges)
    return found


_remembered = lru_cache(maxsize=4)(_aggregated)
"""The features' are the same in every epoch, and most of the work."""


def sage_score(convolution: Any, h: Tensor, edges: Tensor, drop: Drop) -> Tensor:
    """`SAGEConv`, its parts apart: ours drops what is aggregated."""
    mean = aggregated("mean", h, edges)
    found: Tensor = convolution.lin_l(drop(mean)) + convolution.lin_r(drop(h))
    return found


def gcn_score(convolution: Any, h: Tensor, edges: Tensor, drop: Drop) -> Tensor:
    """`GCNConv`, its parts apart."""
    found: Tensor = convolution.lin(drop(aggregated("gcn", h, edges))) + convolution.bias
    return found


def score(convolution: Any, h: Tensor, edges: Tensor, drop: Drop) -> Tensor:
    found: Tensor = convolution(drop(h), edges)
    return found


KINDS = {
    "sage": Kind(
        40,
        lambda: [pyg.SAGEConv(FEATURES, HIDDEN), pyg.SAGEConv(HIDDEN, CLASSES)],
        lambda _: [
            SageLayer(FEATURES, HIDDEN, dropout=DROPPED),
            SageLayer(HIDDEN, CLASSES, dropout=DROPPED, last=True),
        ],
        sage_score,
    ),
    "gcn": Kind(
        40,
        lambda: [pyg.GCNConv(FEATURES, HIDDEN), pyg.GCNConv(HIDDEN, CLASSES)],
        lambda _: [GcnLayer(FEATURES, HIDDEN, dropout=DROPPED), GcnLayer(HIDDEN, CLASSES, dropout=DROPPED, last=True)],
        gcn_score,
    ),
    "gat": Kind(
        20,
        gat,
        lambda made: [
            PygLayer(made[0], dropout=DROPPED, activation=elu),
            PygLayer(made[1], dropout=DROPPED, last=True),
        ],
        score,
        elu,
        (
            "PygLayer(GATConv(features, 8, heads=8), dropout=0.5, activation=elu)",
            "PygLayer(GATConv(64, classes, concat=False), dropout=0.5, last=True)",
        ),
    ),
    "gin": Kind(
        20,
        gin,
        lambda made: [PygLayer(made[0], dropout=DROPPED), PygLayer(made[1], dropout=DROPPED, last=True)],
        score,
        relu,
        (
            "PygLayer(GINConv(MLP([features, 16, 16], norm=None), eps=0.5), dropout=0.5)",
            "PygLayer(GINConv(MLP([16, 16, classes], norm=None), eps=0.5), dropout=0.5, last=True)",
        ),
    ),
}


@dataclass(frozen=True)
class Cora:
    """Its arrays."""

    features: Tensor
    labels: Tensor
    degrees: Tensor
    edges: Tensor
    splits: dict[str, Tensor]
    sampler: NeighbourSampler

    def batch(self, split: str) -> MicroBatch:
        """All nodes of a split, with all of their neighbours."""
        seeds = self.splits[split].numpy().astype(np.int32)
        sample = self.sampler.sample(seeds, purpose=Purpose.SAMPLE, epoch=1, step=1)
        return micro_batch_of(message_for(sample, 1, range(1, 3), (1, 1, 0)), range(1, 3), self.degrees)

    def right(self, scores: Tensor, split: str) -> int:
        """How many nodes of a split the `scores` of its nodes predict right."""
        return int((scores.argmax(dim=1) == self.labels[self.splits[split]]).sum())


@pytest.fixture
def data(desk: Desk, cora_input: str) -> Iterator[Cora]:
    """Read from the graph folder; computed on with one thread."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield cora(desk, cora_input)
    torch.set_num_threads(threads)


def cora(desk: Desk, cora_input: str) -> Cora:
    desk.environment["PICLUSTER_INPUT"] = cora_input
    done = desk.picluster("dataset", "prepare", "cora")
    assert done.returncode == 0, done.stderr
    folder = GraphFolder.open(desk.folder / "graphs" / "cora")
    arrays = {name: torch.from_numpy(np.array(folder.array(name))) for name in ("features", "labels")}
    indices = folder.neighbour_ids()[:]
    indptr = np.array(folder.array("indptr"))
    degrees = torch.from_numpy(np.diff(indptr).astype(np.int32))
    targets = torch.arange(len(degrees)).repeat_interleave(degrees.long())
    splits = {name: torch.from_numpy(np.array(folder.array(name))).long() for name in ("train", "validation", "test")}
    sampler = NeighbourSampler(indptr, indices, fanout=None, depth=2, seed=0)
    edges = torch.stack([torch.from_numpy(indices).long(), targets])
    return Cora(arrays["features"], arrays["labels"].long(), degrees, edges, splits, sampler)


def ours(data: Cora, kind: Kind, convolutions: list[Any], seed: int) -> int:
    """Right predictions of the test nodes after the best epoch."""
    layers = kind.layers(convolutions)
    with torch.no_grad():
        for layer, convolution in zip(layers, convolutions, strict=True):
            for name, weight in layer.weights().items():
                weight.copy_(convolution.state_dict()[name])
    adam = Adam(learning_rate=LEARNING_RATE, weight_decay=WEIGHT_DECAY)
    spec = Spec(
        dataset="cora",
        model=ModelChoice(name="any", depth=2, options={}),
        fanout=None,
        batch_size=None,
        micro_batches=1,
        epochs=kind.epochs,
        seed=seed,
        optimizer=adam,
    )
    stage_data = StageData(data.degrees, data.features, data.labels)
    stage = Stage(arrange(layers), range(1, 3), spec=spec, width=FEATURES, data=stage_data)
    batches, best, found = {split: data.batch(split) for split in data.splits}, -1, 0
    for epoch in range(1, kind.epochs + 1):
        stage.forward(0, batches["train"], [], Moment(epoch, 1, len(data.splits["train"])))
        stage.add(stage.backward(0, []))
        stage.update()
        validated = data.right(stage.evaluate(batches["validation"], [])["h"], "validation")
        if validated > best:
            best, found = validated, data.right(stage.evaluate(batches["test"], [])["h"], "test")
    return found


def torch_masks(seed: int) -> Callable[[int, int], Drop]:
    """Dropout of an epoch and layer, as torch draws it."""
    torch.manual_seed(1000 + seed)
    return lambda _epoch, _layer: lambda h: dropout(h, DROPPED)


def our_masks(seed: int) -> Callable[[int, int], Drop]:
    """Dropout of an epoch and layer, as `PygLayer` draws it."""

    def masks(epoch: int, layer: int) -> Drop:
        drawn = key(seed, Purpose.DROPOUT, epoch, 1, layer)
        return lambda h: Dropout(DROPPED)(Rows({"h": h}, torch.arange(len(h), dtype=torch.int32), drawn))["h"]

    return masks


def theirs(data: Cora, kind: Kind, convolutions: list[Any], masks: Callable[[int, int], Drop]) -> int:
    """The same in plain PyG: the whole graph, torch's Adam."""
    features = data.features.float()

    def scores(epoch: int | None) -> Tensor:
        first, second = (drop_nothing if epoch is None else masks(epoch, layer) for layer in (1, 2))
        h = kind.activation(kind.score(convolutions[0], features, data.edges, first))
        return kind.score(convolutions[1], h, data.edges, second)

    groups = [
        {"params": each.parameters(), "weight_decay": decay}
        for each, decay in zip(convolutions, WEIGHT_DECAY, strict=True)
    ]
    adam, best, found = torch.optim.Adam(groups, lr=LEARNING_RATE), -1, 0
    train = data.splits["train"]
    for epoch in range(1, kind.epochs + 1):
        adam.zero_grad()
        torch.autograd.backward(cross_entropy(scores(epoch)[train], data.labels[train]))
        adam.step()
        with torch.no_grad():
            rows = scores(None)
        validated = data.right(rows[data.splits["validation"]], "validation")
        if validated > best:
            best, found = validated, data.right(rows[data.splits["test"]], "test")
    return found


def drop_nothing(h: Tensor) -> Tensor:
    return h


def both(data: Cora, kind: Kind, seed: int, masks: Callable[[int], Callable[[int, int], Drop]]) -> tuple[int, int]:
    """Right predictions of ours and of theirs, begun with the same weights."""
    torch.manual_seed(seed)
    begun = kind.convolutions()
    return ours(data, kind, copy.deepcopy(begun), seed), theirs(data, kind, begun, masks(seed))


@pytest.mark.slow
@pytest.mark.thorough
@pytest.mark.parametrize("name", ["gat", "gin"])
def test_with_the_same_masks_plain_pyg_has_the_same_right_predictions(data: Cora, name: str) -> None:
    for seed in range(SAME_MASKS_SEEDS):
        found, expected = both(data, KINDS[name], seed, our_masks)
        assert found == expected


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("name", [pytest.param("sage", marks=pytest.mark.thorough), "gcn"])
def test_accuracy_over_seeds_is_that_of_plain_pyg(data: Cora, name: str) -> None:
    kind, differences = KINDS[name], []
    for seed in range(SEEDS[name]):
        found, expected = both(data, kind, seed, torch_masks)
        differences.append((found - expected) / len(data.splits["test"]))
    mean, error = float(np.mean(differences)), float(np.std(differences, ddof=1)) / len(differences) ** 0.5
    print(f"{name}: {mean:+.4f} ± {error:.4f}, {differences}")  # noqa: T201  pytest -rP shows it
    assert abs(mean) <= 2 * error, differences


def plain(convolutions: Sequence[Any], weights: Path) -> list[Any]:
    """PyG's convolutions with exported weights."""
    module = Module()
    module.convs = ModuleList(convolutions)
    module.load_state_dict(load_file(weights), strict=True)
    return list(convolutions)


@pytest.mark.slow
@pytest.mark.parametrize("name", [pytest.param("sage", marks=pytest.mark.thorough), "gat"])
def test_exported_weights_and_predictions_are_those_of_the_report_to_the_last_node(
    desk: Desk, data: Cora, tmp_path: Path, name: str
) -> None:
    kind, model = KINDS[name], name
    if kind.text:
        file = tmp_path / f"{name}.py"
        file.write_text(MODEL_FILE.format(first=kind.text[0], second=kind.text[1]))
        model = str(file)
    hidden = () if kind.text else ("--hidden", str(HIDDEN))
    words = ("--dataset", "cora", "--model", model, *hidden, "--fanout", "all", "--epochs", "8")
    run = desk.launch(*words, "--layers-per-node", "1", "--nodes", "2")
    weights, predictions = tmp_path / "weights.safetensors", tmp_path / "classes.npy"
    done = desk.picluster("export", run.name, "--output", str(weights), "--predictions", str(predictions))
    assert done.returncode == 0, done.stderr
    result = run.result()
    assert result is not None
    assert result.test_accuracy is not None
    reported = round(result.test_accuracy * len(data.splits["test"]))
    assert data.right(torch.from_numpy(np.load(predictions))[data.splits["test"]], "test") == reported
    convolutions = plain(kind.convolutions(), weights)
    with torch.no_grad():
        h = kind.activation(convolutions[0](data.features.float(), data.edges))
        rows = convolutions[1](h, data.edges)
    assert data.right(rows[data.splits["test"]], "test") == reported
