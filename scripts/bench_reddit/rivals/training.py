"""Training of a rival in one process, or in several with DistributedDataParallel."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count

import numpy as np
import torch
from torch import distributed
from torch.nn.functional import cross_entropy
from torch.nn.parallel import DistributedDataParallel

from picluster.randomness import Purpose
from picluster.schema.events import EpochDone, Tested
from picluster.worker.sampling.sampler import shuffled
from scripts.bench_reddit.records import BATCH_SIZE, LEARNING_RATE, SEED, RivalTask
from scripts.bench_reddit.rivals.batches import source_of
from scripts.bench_reddit.rivals.held_graph import Ids, hold
from scripts.bench_reddit.rivals.model import Batch, SageOfLayers
from scripts.bench_reddit.rivals.telling import Teller


def train(rank: int, task: RivalTask, port: int) -> None:
    """Train as one of the task's processes."""
    torch.set_num_threads(task.threads)
    torch.manual_seed(SEED)
    teller = Teller(task.events, f"process{rank}")
    with _group(rank, task.processes, port):
        _Training(rank, task, teller).run()
    teller.finish()


class _Training:
    """Training of one process."""

    def __init__(self, rank: int, task: RivalTask, teller: Teller) -> None:
        self._rank, self._task, self._teller = rank, task, teller
        self._graph = hold(task.graph, mapped=task.mapped)
        workers = task.settings.cores - 1
        self._source = source_of(task.kind, self._graph, BATCH_SIZE // task.processes, workers)
        self._plain = SageOfLayers(self._graph.features.shape[1], self._graph.classes, task.kind)
        self._model = DistributedDataParallel(self._plain) if task.processes > 1 else self._plain
        self._optimizer = torch.optim.Adam(self._model.parameters(), lr=LEARNING_RATE)
        self._steps = 0

    def run(self) -> None:
        """Train the steps of the task, or its epochs with their evaluations."""
        if self._task.settings.steps:
            for epoch in count(1):
                self._epoch(epoch)
                if self._is_over:
                    return
        for epoch in range(1, self._task.settings.epochs + 1):
            begun = time.monotonic()
            loss = self._epoch(epoch)
            accuracy = self._evaluate("validation")
            if self._rank == 0:
                self._teller.tell(
                    EpochDone(
                        epoch=epoch,
                        loss=loss,
                        train_accuracy=None,
                        validation_accuracy=accuracy,
                        best=False,
                        seconds=time.monotonic() - begun,
                    )
                )
        accuracy = self._evaluate("test")
        if self._rank == 0:
            self._teller.tell(Tested(test_accuracy=accuracy))

    @property
    def _is_over(self) -> bool:
        return 0 < self._task.settings.steps <= self._steps

    def _epoch(self, epoch: int) -> float:
        """Train one epoch, or up to the last step that is asked for; returns the mean loss."""
        self._model.train()
        self._teller.skip()
        losses = []
        ids = _share(shuffled(self._graph.splits["train"], SEED, epoch), self._rank, self._task.processes)
        for step, batch in enumerate(self._source.batches(ids, epoch, Purpose.SAMPLE), start=1):
            losses.append(self._step(batch))
            self._teller.step(epoch, step, losses[-1])
            self._steps += 1
            if self._is_over:
                break
        return float(np.mean(losses))

    def _step(self, batch: Batch) -> float:
        self._optimizer.zero_grad()
        scores = self._model(batch.features, batch.graphs)[: len(batch.labels)]
        loss = cross_entropy(scores, batch.labels)
        loss.backward()  # type: ignore[no-untyped-call]
        self._optimizer.step()
        return loss.item()

    @torch.no_grad()
    def _evaluate(self, split: str) -> float:
        """Accuracy on a split with sampled neighbours, over all processes."""
        self._model.eval()
        sums = torch.zeros(2)
        ids = _share(self._graph.splits[split], self._rank, self._task.processes)
        for batch in self._source.batches(ids, 0, Purpose.VALIDATE):
            scores = self._plain(batch.features, batch.graphs)[: len(batch.labels)]
            sums += torch.tensor([(scores.argmax(1) == batch.labels).sum().item(), len(batch.labels)])
        if distributed.is_initialized():
            distributed.all_reduce(sums)
        return float(sums[0] / sums[1])


def _share(ids: Ids, rank: int, processes: int) -> Ids:
    """A process's part of every batch, one behind the other."""
    if processes == 1:
        return ids
    batches = [ids[begin : begin + BATCH_SIZE] for begin in range(0, len(ids), BATCH_SIZE)]
    return np.concatenate([np.array_split(batch, processes)[rank] for batch in batches])


@contextmanager
def _group(rank: int, processes: int, port: int) -> Iterator[None]:
    """Process group of gloo, where there are several processes."""
    if processes == 1:
        yield
        return
    os.environ["GLOO_SOCKET_IFNAME"] = "lo"
    address = f"tcp://127.0.0.1:{port}"
    distributed.init_process_group("gloo", init_method=address, rank=rank, world_size=processes)
    try:
        yield
    finally:
        distributed.destroy_process_group()
