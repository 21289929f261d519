"""Sampled blocks of a random graph, and loss and gradients of a model on them, for comparison with plain PyG."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from picluster.randomness import Purpose
from picluster.schema.spec import Adam, ModelChoice, Spec
from picluster.worker.compute.graph_layer import GraphLayer
from picluster.worker.compute.stage import Moment, Stage, StageData
from picluster.worker.roles.stage_blocks import micro_batch_of
from picluster.worker.sampling.blocks import message_for
from picluster.worker.sampling.sampler import NeighbourSampler, Sample
from tests.unit.worker.random_graph import random_graph

FEATURES, HIDDEN, CLASSES, NODES = 9, 16, 5, 60
GRAPH = random_graph(NODES, 0.15, seed=2)
DEGREES = torch.from_numpy(GRAPH.degrees)
_random = torch.Generator().manual_seed(0)
X = torch.randn(NODES, FEATURES, generator=_random)
LABELS = torch.randint(CLASSES, (NODES,), generator=_random)
SEEDS = np.random.default_rng(3).choice(NODES, 24, replace=False).astype(np.int32)

Edges = tuple[Tensor, Tensor]


def sampled(fanout: tuple[int, ...] | None, depth: int = 2) -> Sample:
    sampler = NeighbourSampler(GRAPH.indptr, GRAPH.indices, fanout=fanout, depth=depth, seed=0)
    return sampler.sample(SEEDS, purpose=Purpose.SAMPLE, epoch=1, step=1)


def edges(sample: Sample, layer: int) -> Edges:
    """(source, target) of each sampled edge, as node ids."""
    hop = sample.hops[layer]
    targets = sample.ids[: sample.frontiers[layer]]
    source = hop.neighbours if layer == 0 else sample.ids[hop.neighbours]
    return torch.from_numpy(source).long(), torch.from_numpy(np.repeat(targets, hop.counts)).long()


def ours(
    model: Sequence[GraphLayer], sample: Sample, fanout: tuple[int, ...] | None, cuts: Sequence[range] | None = None
) -> tuple[float, dict[str, Tensor]]:
    """Loss and gradients of a model cut into stages, or of the whole model as one stage."""
    depth = len(model)
    spec = Spec(
        dataset="random",
        model=ModelChoice(name="any", depth=depth, options={}),
        fanout=fanout,
        batch_size=None,
        micro_batches=1,
        epochs=1,
        seed=0,
        optimizer=Adam(learning_rate=0.01, weight_decay=(0.0,) * depth),
    )
    stages = [
        Stage(
            model, numbers, spec=spec, width=FEATURES, data=StageData(DEGREES, X if numbers[0] == 1 else None, LABELS)
        )
        for numbers in cuts or [range(1, depth + 1)]
    ]
    rows: list[Tensor] = []
    for stage in stages:
        aggregated = range(stage.numbers[0] + (stage.numbers[0] > 1), stage.numbers[-1] + (1 if stage.is_last else 2))
        batch = micro_batch_of(message_for(sample, stage.numbers[0], aggregated, (1, 1, 0)), aggregated, DEGREES)
        rows = [each.detach() for each in stage.forward(0, batch, rows, Moment(1, 1, step_seeds=len(SEEDS)))]
    gradients: list[Tensor] = []
    for stage in reversed(stages):
        way_back = stage.backward(0, gradients)
        stage.add(way_back)
        gradients = way_back.gradients
    found: dict[str, Tensor] = {}
    for stage in stages:
        sizes = [parameter.numel() for parameter in stage.parameters.values()]
        found.update(zip(stage.parameters, torch.split(stage.sums[:-2], sizes), strict=True))
    return float(stages[-1].sums[-2]), found


def full_graph() -> Tensor:
    """(2, E) source and target of every edge."""
    target = np.repeat(np.arange(NODES), GRAPH.degrees)
    return torch.from_numpy(np.stack([GRAPH.indices.astype(np.int64), target]))
