"""The floor: layer 1's products of the rows that picluster really computes, forward and for the weights' gradients."""

from __future__ import annotations

import torch

from picluster.randomness import Purpose
from picluster.worker.sampling.sampler import NeighbourSampler, cut, shuffled
from scripts.bench_reddit.records import BATCH_SIZE, FANOUT, HIDDEN, MICRO_BATCHES, SEED, RivalTask
from scripts.bench_reddit.rivals.held_graph import HeldGraph, hold
from scripts.bench_reddit.rivals.telling import Teller

_MOST_STEPS = 30
_MICRO_BATCH = BATCH_SIZE // MICRO_BATCHES


def multiply(task: RivalTask) -> None:
    """Count the rows of some steps, then make their products."""
    torch.set_num_threads(task.threads)
    teller = Teller(task.events, "process0")
    graph = hold(task.graph, mapped=True)
    counts = _rows(graph, task.settings.steps or _MOST_STEPS)
    width, most = graph.features.shape[1], max(max(rows) for rows in counts)
    means, own, gradients = torch.randn(most, width), torch.randn(most, width), torch.randn(most, HIDDEN)
    weights = [torch.randn(width, HIDDEN) for _ in range(2)]
    outputs, of_weights = torch.empty(most, HIDDEN), torch.empty(width, HIDDEN)
    teller.skip()
    for step, micro_batches in enumerate(counts, start=1):
        for rows in micro_batches:
            torch.mm(means[:rows], weights[0], out=outputs[:rows])
            torch.mm(own[:rows], weights[1], out=outputs[:rows])
            torch.mm(means[:rows].T, gradients[:rows], out=of_weights)
            torch.mm(own[:rows].T, gradients[:rows], out=of_weights)
        teller.step(1, step)
    teller.finish()


def _rows(graph: HeldGraph, steps: int) -> list[list[int]]:
    """Rows that layer 1 computes, for each micro-batch of each step."""
    sampler = NeighbourSampler(graph.indptr, graph.packed_ids, fanout=FANOUT, depth=len(FANOUT), seed=SEED)
    counts: list[list[int]] = []
    epoch = 0
    while len(counts) < steps:
        epoch += 1
        ids = shuffled(graph.splits["train"], SEED, epoch)
        for step, begin in enumerate(range(0, len(ids) - BATCH_SIZE + 1, BATCH_SIZE), start=1):
            parts = cut(ids[begin : begin + BATCH_SIZE], [_MICRO_BATCH] * MICRO_BATCHES)
            sampled = (sampler.sample(part, purpose=Purpose.SAMPLE, epoch=epoch, step=step) for part in parts)
            counts.append([len(each.ids) for each in sampled])
    return counts[:steps]
