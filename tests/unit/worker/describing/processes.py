"""A model file trained by several workers, each with a model and generators of its own, as processes have."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from picluster.randomness import Purpose
from picluster.schema.plan import Plan, StagePlan
from picluster.schema.spec import Adam, ModelChoice, Spec
from picluster.worker.compute.model_file import build
from picluster.worker.compute.stage import Moment, Stage, StageData
from picluster.worker.describing import generators
from picluster.worker.roles.stage_blocks import micro_batch_of
from picluster.worker.sampling.blocks import message_for
from picluster.worker.sampling.sampler import NeighbourSampler, Sample, cut
from picluster.worker.wire.messages import pack, unpack
from picluster.worker.wire.tensors import message_of, tensors_of
from tests.unit.worker.random_graph import random_graph

FEATURES, CLASSES, NODES = 5, 6, 40
GRAPH = random_graph(NODES, 0.12, seed=2)
DEGREES = torch.from_numpy(GRAPH.degrees)
TABLE = torch.randn(NODES, FEATURES, generator=torch.Generator().manual_seed(1))
LABELS = torch.arange(NODES, dtype=torch.int16) % CLASSES
SEEDS = np.random.default_rng(1).permutation(NODES).astype(np.int32)[:24]
SIZES = (7, 6, 6, 5)
STEPS = 2


@dataclass
class Worker:
    """A stage, and the generators of the process that holds it."""

    stage: Stage
    plan: Plan
    index: int
    states: generators.States

    def forward(self, number: int, sample: Sample, rows: Sequence[Tensor], moment: Moment) -> list[Tensor]:
        aggregated = self.plan.aggregated_by(self.index)
        message = message_for(sample, self.stage.numbers[0], aggregated, (1, 1, 0))
        with self._at_work():
            found = self.stage.forward(number, micro_batch_of(message, aggregated, DEGREES), rows, moment)
        return _through_the_wire(found)

    def backward(self, number: int, gradients: Sequence[Tensor]) -> list[Tensor]:
        with self._at_work():
            way_back = self.stage.backward(number, gradients)
            self.stage.add(way_back)
            return _through_the_wire(way_back.gradients)

    @contextmanager
    def _at_work(self) -> Iterator[None]:
        with generators.kept():
            generators.restore(self.states)
            yield
            self.states = generators.states()


def losses(file: Path, cuts: Sequence[tuple[int, ...]], replicas: int) -> tuple[list[float], list[Tensor]]:
    """Losses of all steps and the weights after them, as the plan with these stages and replicas learns them."""
    spec = _spec(cuts[-1][-1])
    lines = [_workers(file, spec, cuts, replica) for replica in range(replicas)]
    found = [_step(lines, spec, step) for step in range(1, STEPS + 1)]
    weights = [weight.detach() for worker in lines[0] for weight in worker.stage.parameters.values()]
    return found, weights


def _spec(depth: int) -> Spec:
    return Spec(
        dataset="random",
        model=ModelChoice(name="drawn", depth=depth, options={}),
        fanout=(3,) * depth,
        batch_size=None,
        micro_batches=len(SIZES),
        epochs=1,
        seed=9,
        optimizer=Adam(learning_rate=0.05, weight_decay=(0.01,) * depth),
    )


def _workers(file: Path, spec: Spec, cuts: Sequence[tuple[int, ...]], replica: int) -> list[Worker]:
    depth, workers = spec.model.depth, []
    for index, numbers in enumerate(cuts):
        with generators.seeded(100 * replica + index + len(cuts)):
            model = build(file, FEATURES, CLASSES, {}, spec.seed)
            plan = _plan(cuts, ["rows" if model[each[0] - 1].main.layer.wide else "aggregated" for each in cuts])
            data = StageData(
                graph_degrees=DEGREES,
                features=TABLE if numbers[0] == 1 else None,
                labels=LABELS if numbers[-1] == depth else None,
            )
            receives = plan.stages[index].receives
            stage = Stage(model, numbers, receives=receives, spec=spec, width=FEATURES, data=data)
            workers.append(Worker(stage, plan, index, generators.states()))
    return workers


def _plan(cuts: Sequence[tuple[int, ...]], receives: Sequence[str]) -> Plan:
    stages = tuple(
        StagePlan(layers=numbers, nodes=(f"pi{numbers[0]}",), receives="rows" if cut == "rows" else "aggregated")
        for numbers, cut in zip(cuts, receives, strict=True)
    )
    return Plan(strategy="layer-split", engine="gloo", sampler=("pi1",), stages=stages)


def _step(lines: Sequence[Sequence[Worker]], spec: Spec, step: int) -> float:
    sampler = NeighbourSampler(GRAPH.indptr, GRAPH.indices, fanout=spec.fanout, depth=spec.model.depth, seed=spec.seed)
    parts = cut(SEEDS, SIZES)
    for number, part in enumerate(parts):
        sample = sampler.sample(part, purpose=Purpose.SAMPLE, epoch=1, step=step)
        line, rows = lines[number % len(lines)], list[Tensor]()
        for worker in line:
            rows = worker.forward(number, sample, rows, Moment(1, step, len(SEEDS)))
        gradients: list[Tensor] = []
        for worker in reversed(line):
            gradients = worker.backward(number, gradients)
    loss = 0.0
    for same_stage in zip(*lines, strict=True):
        total = torch.stack([worker.stage.sums for worker in same_stage]).sum(0)
        for worker in same_stage:
            worker.stage.sums.copy_(total)
            loss, _ = worker.stage.update()
    return loss


def _through_the_wire(tensors: Sequence[Tensor]) -> list[Tensor]:
    return tensors_of(unpack(pack(message_of((1, 1, 0), tensors))))
