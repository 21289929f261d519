"""Models against plain PyG: sampled blocks and the full graph, loss and gradients."""

import copy
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from picluster.nn import Block, GcnLayer, PygLayer, Rows
from picluster.randomness import Purpose
from picluster.worker.compute.graph_layer import GraphLayer, arrange
from picluster.worker.compute.model_file import build
from picluster.worker.roles.stage_blocks import micro_batch_of
from picluster.worker.sampling.blocks import message_for
from picluster.worker.sampling.sampler import NeighbourSampler, Sample
from tests.unit.nn.random_blocks import (
    CLASSES,
    DEGREES,
    FEATURES,
    GRAPH,
    HIDDEN,
    LABELS,
    NODES,
    SEEDS,
    X,
    edges,
    full_graph,
    ours,
    sampled,
)

pyg = pytest.importorskip("torch_geometric.nn", reason="it is what we compare with", exc_type=ImportError)

MODELS = Path(__file__).parents[3] / "models"

Reference = Callable[[list[Any], Sample], Tensor]


def load_into(convolutions: list[Any], model: Sequence[GraphLayer]) -> dict[str, Tensor]:
    """Put our weights into PyG's convolutions, which know them by the same names; returns theirs by full name."""
    theirs: dict[str, Tensor] = {}
    for convolution, layer in zip(convolutions, model, strict=True):
        convolution.load_state_dict({name: weight.detach() for name, weight in layer.main.layer.weights().items()})
        theirs |= {f"{layer.main.name}.{name}": weight for name, weight in convolution.named_parameters()}
    return theirs


def assert_equal(found: tuple[float, dict[str, Tensor]], their_loss: Tensor, theirs: Mapping[str, Tensor]) -> None:
    loss, gradients = found
    assert loss == pytest.approx(their_loss.item(), rel=1e-5)
    assert set(gradients) == set(theirs)
    for name, expected in zip(theirs, torch.autograd.grad(their_loss, list(theirs.values())), strict=True):
        difference = (gradients[name] - expected.double().view(-1)).norm() / expected.norm()
        assert difference < 1e-5, name


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
    pairs = full_graph()
    first, second = convolutions
    scores: Tensor = second(first(X, pairs).relu(), pairs)
    return scores[SEEDS]


def sage_convolutions() -> list[Any]:
    return [pyg.SAGEConv((i, i), o) for i, o in pairwise([FEATURES, HIDDEN, CLASSES])]


def gcn_convolutions(**options: bool) -> list[Any]:
    return [pyg.GCNConv(i, o, **options) for i, o in pairwise([FEATURES, HIDDEN, CLASSES])]


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
    theirs = load_into(convolutions, layers)
    sample = sampled(fanout)
    their_loss = cross_entropy(scores(convolutions, sample), LABELS[SEEDS])
    assert_equal(ours(layers, sample, fanout), their_loss, theirs)


def test_gcnii_of_eight_layers_over_four_stages_equals_plain_pyg_on_the_square_graph() -> None:
    depth = 8
    layers = build(MODELS / "gcnii.py", FEATURES, CLASSES, {"depth": 8, "hidden": HIDDEN, "dropout": 0.0}, seed=4)
    convolutions = [pyg.GCN2Conv(HIDDEN, alpha=0.1, theta=0.5, layer=number) for number in range(1, depth + 1)]
    theirs = load_into(convolutions, layers)
    dense = [torch.nn.Linear(FEATURES, HIDDEN), torch.nn.Linear(HIDDEN, CLASSES)]
    for linear, part in zip(dense, (*layers[0].before, *layers[-1].after), strict=True):
        linear.load_state_dict({name: weight.detach() for name, weight in part.layer.weights().items()})
        theirs |= {f"{part.name}.{name}": weight for name, weight in linear.named_parameters()}
    h = first = dense[0](X).relu()
    for convolution in convolutions:
        h = convolution(h, first, full_graph()).relu()
    their_loss = cross_entropy(dense[1](h)[SEEDS], LABELS[SEEDS])
    sample = sampled(None, depth)
    assert_equal(ours(layers, sample, None, [range(n, n + 2) for n in (1, 3, 5, 7)]), their_loss, theirs)


@pytest.mark.parametrize(
    "convolution",
    [
        pyg.GATConv(FEATURES, CLASSES, heads=2, concat=False),
        pyg.GATv2Conv(FEATURES, CLASSES),
        pyg.SAGEConv(FEATURES, CLASSES, aggr="max"),
        pyg.GraphConv(FEATURES, CLASSES),
        pyg.GINConv(torch.nn.Linear(FEATURES, CLASSES)),
        pyg.TransformerConv(FEATURES, CLASSES, heads=2, concat=False),
        pyg.GCNConv(FEATURES, CLASSES),
        pyg.GCNConv(FEATURES, CLASSES, add_self_loops=False),
        pyg.GCNConv(FEATURES, CLASSES, improved=True),
    ],
    ids=repr,
)
def test_any_convolution_of_pyg_is_a_layer(convolution: Any) -> None:
    expected_scores = copy.deepcopy(convolution)(X, full_graph())[SEEDS]
    (layer,) = arrange([PygLayer(convolution, last=True)])
    theirs = {f"convs.0.{name}": weight for name, weight in convolution.named_parameters()}
    loss, gradients = ours([layer], sampled(None, 1), None)
    assert loss == pytest.approx(cross_entropy(expected_scores, LABELS[SEEDS]).item(), rel=1e-5)
    assert set(gradients) == set(theirs)
    assert any(gradient.any() for gradient in gradients.values())


@pytest.mark.parametrize(
    ("convolution", "reason"),
    [
        (pyg.SGConv(FEATURES, CLASSES, K=2), "looks at nodes more than one hop away"),
        (pyg.APPNP(K=3, alpha=0.1), "use a layer for each hop"),
        (pyg.LEConv(FEATURES, CLASSES), None),
    ],
    ids=["SGConv", "APPNP", "LEConv"],
)
def test_a_convolution_that_looks_further_than_its_edges_is_refused(convolution: Any, reason: str | None) -> None:
    layer = PygLayer(convolution)
    block = Block(
        ids=torch.tensor([0], dtype=torch.int32),
        counts=torch.tensor([1], dtype=torch.int32),
        neighbours=torch.tensor([1], dtype=torch.int32),
        source_ids=None,
        graph_degrees=torch.ones(2, dtype=torch.int32),
    )
    rows = Rows({"h": torch.ones(2, FEATURES)}, block.ids)
    if reason is None:
        assert layer.aggregate(block, rows)["h"].shape == (1, CLASSES)
        return
    with pytest.raises(ValueError, match=reason):
        layer.aggregate(block, rows)


def test_a_convolution_with_dropout_of_its_own_is_refused() -> None:
    with pytest.raises(ValueError, match=r"PygLayer\(…, dropout=…\)"):
        PygLayer(pyg.GATConv(FEATURES, CLASSES, dropout=0.5))


def test_the_expectation_of_sampled_gcn_neighbours_is_the_exact_aggregate() -> None:
    layer, nodes, draws = GcnLayer(FEATURES, 2), np.arange(NODES, dtype=np.int32), 1_500

    def aggregated(fanout: tuple[int, ...] | None, epoch: int) -> Tensor:
        sampler = NeighbourSampler(GRAPH.indptr, GRAPH.indices, fanout=fanout, depth=1, seed=0)
        sample = sampler.sample(nodes, purpose=Purpose.SAMPLE, epoch=epoch, step=1)
        batch = micro_batch_of(message_for(sample, 1, range(1, 2), (1, 1, 0)), range(1, 2), DEGREES)
        return layer.aggregate(batch.blocks[1], Rows({"h": X}, batch.ids))["h"].double()

    exact = aggregated(None, 0)
    several = torch.stack([aggregated((3,), epoch) for epoch in range(draws)])
    spread = several.std(dim=0)
    uncertain = torch.from_numpy(GRAPH.degrees > 3)
    assert (spread[uncertain] > 0.01).all()
    torch.testing.assert_close(several[0][~uncertain], exact[~uncertain])
    errors = (several.mean(dim=0) - exact)[uncertain] / (spread[uncertain] / draws**0.5)
    assert errors.abs().max() < 4.8  # about 450 values: 1 in 1,000 by chance, and the seeds are fixed
