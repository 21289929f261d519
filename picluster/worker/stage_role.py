"""A replica of a stage at work: moves micro-batches through its layers and meets the other workers on the way."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING

import torch

from picluster.errors import RunFailed
from picluster.schema.events import EpochDone, Tested
from picluster.worker.blocks import MicroBatch, read
from picluster.worker.checkpoint import Weights, write
from picluster.worker.links import Channel
from picluster.worker.messages import Message
from picluster.worker.metrics import StepMeter
from picluster.worker.reduction import ring_sum
from picluster.worker.role import TEST_EPOCH, VALIDATION_STEP, Surroundings, Verdict
from picluster.worker.schedule import holder, one_forward_one_backward, share, window
from picluster.worker.stage import Moment, Stage

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from picluster.worker.links import Clock


class StageRole:
    """One replica of one stage, from the first step to the checkpoint."""

    def __init__(self, around: Surroundings, stage: Stage, graph_degrees: Tensor, sampler_clock: Clock | None) -> None:
        """`sampler_clock`: of the sampler in the same worker, if there is one."""
        plan, node = around.job.plan, around.job.node
        index = plan.stage_of(node)
        assert index is not None
        self._around, self._links, self._stage = around, around.links, stage
        self._graph_degrees = graph_degrees
        self._replicas = plan.ranks(plan.stages[index].nodes)
        self._replica = plan.stages[index].nodes.index(node)
        self._samplers = plan.ranks(plan.sampler)
        self._before = plan.ranks(plan.stages[index - 1].nodes) if index > 0 else ()
        self._after = plan.ranks(plan.stages[index + 1].nodes) if index + 1 < len(plan.stages) else ()
        self._window = window(index, [len(each.nodes) for each in plan.stages])
        self._judge = plan.rank(plan.stages[-1].nodes[0])
        self._other_clocks = [sampler_clock] if sampler_clock else []
        self._best_accuracy = -1.0
        self._best = Weights(epoch=0, tensors={})

    @property
    def _judges(self) -> bool:
        return self._judge == self._links.rank

    def run(self) -> None:
        """All epochs, the test with the best weights, the checkpoint."""
        self._meter = StepMeter(self._links.clock, self._other_clocks)
        for epoch in range(1, self._around.job.spec.epochs + 1):
            begin = time.perf_counter()
            loss, right = self._train(epoch)
            verdict = self._meet(epoch, loss, right, begin)
            if verdict.best:
                self._best = Weights.copy_of(self._stage.parameters, epoch)
            if verdict.last:
                break
        self._best.restore(self._stage.parameters)
        accuracy = self._evaluate("test", TEST_EPOCH)
        if self._judges:
            self._around.emit(Tested(test_accuracy=accuracy))
        if self._replica == 0:
            self._around.emit(write(self._best, self._around.job.output_folder, self._stage.numbers))
        self._links.flush()

    def _train(self, epoch: int) -> tuple[float, int]:
        """One pass over the training nodes; returns the mean loss and the number of right predictions."""
        self._meter.skip()
        steps, total_loss, total_right = self._around.train_steps, 0.0, 0
        for step in steps:
            sizes = self._around.micro_batch_sizes(step)
            loss, right = self._train_step(epoch, step, sizes)
            if step == steps[-1]:
                self._links.flush()
            self._around.emit(self._meter.finish(epoch, step, loss if self._judges else None))
            if self._judges and not math.isfinite(loss):
                message = f"the loss became {loss} in step {step} of epoch {epoch}"
                raise RunFailed(message, fix="lower the learning rate, and look for odd values in the features")
            total_loss += loss * sum(sizes)
            total_right += right
        return total_loss / self._around.meta.splits["train"], total_right

    def _train_step(self, epoch: int, step: int, sizes: Sequence[int]) -> tuple[float, int]:
        """One update; returns the step's loss and right predictions, which only the last stage knows."""
        moment = Moment(epoch, step, sum(sizes))
        mine = share(self._replica, len(self._replicas), len(sizes))
        for action, number in one_forward_one_backward(mine, self._window):
            if action == "forward":
                self._forward(number, moment)
            else:
                self._backward(number, moment)
        ring_sum(self._links, self._replicas, self._stage.sums, (epoch, step, 0))
        return self._stage.update()

    def _forward(self, number: int, moment: Moment) -> None:
        place = (moment.epoch, moment.step, number)
        outputs = self._stage.forward(number, self._blocks(place), self._rows(place), moment)
        self._pass_on(place, outputs)

    def _backward(self, number: int, moment: Moment) -> None:
        place, gradients = (moment.epoch, moment.step, number), list[torch.Tensor]()
        if self._after:
            source = holder(self._after, number)
            gradients = list(self._links.receive(source, Channel.BACKWARD, place).tensors)
        gradients = self._stage.backward(number, gradients)
        if self._before:
            self._links.send(holder(self._before, number), Channel.BACKWARD, Message(place, gradients))

    def _evaluate(self, split: str, epoch: int) -> float | None:
        """Share of right predictions over a split, known to the last stage's replicas; None for an empty split."""
        count = len(self._around.evaluation_sizes(split))
        if count == 0:
            return None
        right = torch.zeros(1, dtype=torch.float64)
        for number in share(self._replica, len(self._replicas), count):
            place = (epoch, VALIDATION_STEP, number)
            outputs, hits = self._stage.evaluate(self._blocks(place), self._rows(place))
            self._pass_on(place, outputs)
            right += hits
        ring_sum(self._links, self._replicas, right, (epoch, VALIDATION_STEP, 0))
        return right.item() / self._around.meta.splits[split]

    def _meet(self, epoch: int, loss: float, right: int, begin: float) -> Verdict:
        """The barrier at the end of an epoch: validate, and learn what the last stage decides."""
        accuracy = self._evaluate("validation", epoch)
        place = (epoch, 0, 0)
        if not self._judges:
            return Verdict.read(self._links.receive(self._judge, Channel.VERDICT, place))
        verdict = Verdict(accuracy is None or accuracy > self._best_accuracy, epoch == self._around.job.spec.epochs)
        self._best_accuracy = max(self._best_accuracy, accuracy or 0.0)
        self._announce(verdict, epoch)
        done = EpochDone(
            epoch=epoch,
            loss=loss,
            train_accuracy=right / self._around.meta.splits["train"],
            validation_accuracy=accuracy,
            best=verdict.best,
            seconds=time.perf_counter() - begin,
        )
        self._around.emit(done)
        return verdict

    def _announce(self, verdict: Verdict, epoch: int) -> None:
        plan = self._around.job.plan
        for rank in self._samplers:
            self._links.send(rank, Channel.SAMPLER_VERDICT, verdict.message(epoch))
        for stage in plan.stages:
            for rank in plan.ranks(stage.nodes):
                if rank != self._judge:
                    self._links.send(rank, Channel.VERDICT, verdict.message(epoch))

    def _blocks(self, place: tuple[int, int, int]) -> MicroBatch:
        message = self._links.receive(holder(self._samplers, place[2]), Channel.BLOCKS, place)
        return read(message, self._stage.numbers, self._around.job.plan.depth, self._graph_degrees)

    def _rows(self, place: tuple[int, int, int]) -> Sequence[Tensor]:
        if not self._before:
            return []
        return self._links.receive(holder(self._before, place[2]), Channel.FORWARD, place).tensors

    def _pass_on(self, place: tuple[int, int, int], rows: list[Tensor]) -> None:
        if self._after:
            self._links.send(holder(self._after, place[2]), Channel.FORWARD, Message(place, rows))
