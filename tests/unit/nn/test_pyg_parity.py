"""Two-layer models against plain PyG: sampled blocks and the full graph, loss and gradients."""

from collections.abc import Callable, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from picluster.nn import GcnLayer, Layer, Rows
from picluster.randomness import Purpose
from picluster.schema.spec import Adam, ModelChoice, Spec
from picluster.worker.blocks import message_for, read
from picluster.worker.model import build
from picluster.worker.sampler import NeighbourSampler, Sample
from picluster.worker.stage import Moment, Stage, StageData
from tests.unit.worker.random_graph import random_graph

pyg = pytest.importorskip("torch_geometric.nn", reason="it is what we compare with", exc_type=ImportError)

MODELS = Path(__file__).parents[3] / "models"
FEATURES, HIDDEN, CLASSES, NODES = 9, 16, 5, 60
GRAPH = random_graph(NODES, 0.15, seed=2)
DEGREES = torch.from_numpy(GRAPH.degrees)
_random = torch.Generator().manual_seed(0)
X = torch.randn(NODES, FEATURES, generator=_random)
LABELS = torch.randint(CLASSES, (NODES,), generator=_random)
SEEDS = np.random.default_rng(3).choice(NODES, 24, replace=False).astype(np.int32)

Edges = tuple[Tensor, Tensor]
Reference = Callable[[list[Any], Sample], Tensor]


def sampled(fanout: tuple[int, ...] | None) -> Sample:
    sampler = NeighbourSampler(GRAPH.indptr, GRAPH.indices, fanout=fanout, depth=2, seed=0)
    return sampler.sample(SEEDS, purpose=Purpose.SAMPLE, epoch=1, step=1)


def edges(sample: Sample, layer: int) -> Edges:
    """(source, target) of each sampled edge, as node ids."""
    hop = sample.hops[layer]
    targets = sample.ids[: sample.frontiers[layer]]
    source = hop.neighbours if layer == 0 else sample.ids[hop.neighbours]
    return torch.from_numpy(source).long(), torch.from_numpy(np.repeat(targets, hop.counts)).long()


def ours(layers: list[Layer], sample: Sample, fanout: tuple[int, ...] | None) -> tuple[float, list[Tensor]]:
    """Loss and gradients of the whole model as one stage."""
    spec = Spec(
        dataset="random",
        model=ModelChoice(name="any", depth=2, options={}),
        fanout=fanout,
        batch_size=None,
        micro_batches=1,
        epochs=1,
        seed=0,
        optimizer=Adam(learning_rate=0.01, weight_decay=(0.0, 0.0)),
    )
    stage = Stage(layers, (1, 2), spec=spec, width=FEATURES, data=StageData(DEGREES, X, LABELS))
    batch = read(message_for(sample, (1, 2), (1, 1, 0)), (1, 2), 2, DEGREES)
    stage.forward(0, batch, [], Moment(epoch=1, step=1, step_seeds=len(SEEDS)))
    stage.backward(0, [])
    sizes = [parameter.numel() for parameter in stage.parameters.values()]
    return float(stage.sums[-2]), list(torch.split(stage.sums[:-2], sizes))


def sage_scores(convolutions: list[Any], sample: Sample) -> Tensor:
    """Plain PyG on bipartite blocks."""
    h = X
    for layer, convolution in enumerate(convolutions):
        source, target = edges(sample, layer)
        h = convolution((h, h), torch.stack([source, target]))
        h = h.relu() if layer == 0 else h
    return h[SEEDS]


def gcn_block_scores(convolutions: list[Any], sample: Sample) -> Tensor:
    """PyG's GCNConv refuses bipartite blocks: the square graph of all nodes, with the weights written out."""
    h, own = X, (DEGREES + 1).float().rsqrt()
    for layer, convolution in enumerate(convolutions):
        source, target = edges(sample, layer)
        targets = torch.from_numpy(sample.ids[: sample.frontiers[layer]]).long()
        scale = DEGREES[targets] / torch.from_numpy(sample.hops[layer].counts).clamp(min=1)
        scale_of = torch.zeros(NODES).index_put((targets,), scale)
        everybody = torch.arange(NODES)
        weights = torch.cat([own[source] * own[target] * scale_of[target], own * own])
        pairs = torch.stack([torch.cat([source, everybody]), torch.cat([target, everybody])])
        h = convolution(h, pairs, weights)
        h = h.relu() if layer == 0 else h
    return h[SEEDS]


def gcn_full_scores(convolutions: list[Any], _sample: Sample) -> Tensor:
    """PyG on the full graph, with its own normalisation."""
    target = np.repeat(np.arange(NODES), GRAPH.degrees)
    pairs = torch.from_numpy(np.stack([GRAPH.indices.astype(np.int64), target]))
    first, second = convolutions
    scores: Tensor = second(first(X, pairs).relu(), pairs)
    return scores[SEEDS]


def sage_convolutions() -> list[Any]:
    return [pyg.SAGEConv((i, i), o) for i, o in pairwise([FEATURES, HIDDEN, CLASSES])]


def gcn_convolutions(**options: bool) -> list[Any]:
    return [pyg.GCNConv(i, o, **options) for i, o in pairwise([FEATURES, HIDDEN, CLASSES])]


NAMES: Mapping[str, Mapping[str, str]] = {
    "sage": {"neighbours.weight": "lin_l.weight", "neighbours.bias": "lin_l.bias", "own.weight": "lin_r.weight"},
    "gcn": {"linear.weight": "lin.weight", "linear.bias": "bias"},
}
EXPLICIT = {"normalize": False, "add_self_loops": False}


@pytest.mark.parametrize(
    ("model", "fanout", "convolutions", "scores"),
    [
        ("sage", (3, 2), sage_convolutions(), sage_scores),
        ("sage", None, sage_convolutions(), sage_scores),
        ("gcn", (3, 2), gcn_convolutions(**EXPLICIT), gcn_block_scores),
        ("gcn", None, gcn_convolutions(), gcn_full_scores),
    ],
    ids=["sage-sampled", "sage-full", "gcn-sampled", "gcn-full"],
)
def test_loss_and_gradients_equal_plain_pyg(
    model: str, fanout: tuple[int, ...] | None, convolutions: list[Any], scores: Reference
) -> None:
    layers = build(MODELS / f"{model}.py", FEATURES, CLASSES, {"depth": 2, "hidden": HIDDEN, "dropout": 0.0}, seed=4)
    theirs = []
    for layer, convolution in zip(layers, convolutions, strict=True):
        named = dict(convolution.named_parameters())
        for our_name, parameter in layer.named_parameters():
            named[NAMES[model][our_name]].data.copy_(parameter.data)
            theirs.append(named[NAMES[model][our_name]])
        assert len(named) == len(NAMES[model])
    sample = sampled(fanout)
    loss, gradients = ours(layers, sample, fanout)
    their_loss = cross_entropy(scores(convolutions, sample), LABELS[SEEDS])
    assert loss == pytest.approx(their_loss.item(), rel=1e-5)
    for found, expected in zip(gradients, torch.autograd.grad(their_loss, theirs), strict=True):
        difference = (found - expected.double().view(-1)).norm() / expected.norm()
        assert difference < 1e-5


def test_the_expectation_of_sampled_gcn_neighbours_is_the_exact_aggregate() -> None:
    layer, nodes, draws = GcnLayer(FEATURES, 2), np.arange(NODES, dtype=np.int32), 1_500

    def aggregated(fanout: tuple[int, ...] | None, epoch: int) -> Tensor:
        sampler = NeighbourSampler(GRAPH.indptr, GRAPH.indices, fanout=fanout, depth=1, seed=0)
        sample = sampler.sample(nodes, purpose=Purpose.SAMPLE, epoch=epoch, step=1)
        batch = read(message_for(sample, (1,), (1, 1, 0)), (1,), 1, DEGREES)
        return layer.aggregate(batch.blocks[1], Rows({"h": X}, batch.ids))["h"].double()

    exact = aggregated(None, 0)
    several = torch.stack([aggregated((3,), epoch) for epoch in range(draws)])
    spread = several.std(dim=0)
    uncertain = torch.from_numpy(GRAPH.degrees > 3)
    assert (spread[uncertain] > 0.01).all()
    torch.testing.assert_close(several[0][~uncertain], exact[~uncertain])
    errors = (several.mean(dim=0) - exact)[uncertain] / (spread[uncertain] / draws**0.5)
    assert errors.abs().max() < 4.8  # about 450 values: 1 in 1,000 by chance, and the seeds are fixed
