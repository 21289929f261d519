"""A replica of a stage at work: moves micro-batches through its layers and meets the other workers on the way."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from picluster.graph.folder import GraphFolder
from picluster.nn import Rows
from picluster.schema.events import CheckpointWritten, EpochDone, Predicted, Tested
from picluster.schema.state import JudgeState, Position
from picluster.worker.compute.checkpoint import read_weights, write
from picluster.worker.compute.stage import EXACT_SUMS, MicroBatch, Moment, Stage, WayBack
from picluster.worker.roles.context import TEST_EPOCH, VALIDATION_STEP, RoleContext
from picluster.worker.roles.exact_pass import ExactPass, write_probabilities
from picluster.worker.roles.judgement import EpochVerdict, Judgement, Score, no_number
from picluster.worker.roles.schedule import Action, actions_of, holder, room_for_gradients, share, window
from picluster.worker.roles.side_by_side import Cores, Way
from picluster.worker.roles.stage_blocks import micro_batch_of
from picluster.worker.roles.state_writer import StateWriter
from picluster.worker.wire.links import Channel, Clock, ring_sum
from picluster.worker.wire.tensors import message_of, tensors_of
from picluster.worker.wire.tracer import traced

_Received = tuple[MicroBatch | None, Sequence[Tensor]]
"""Blocks, where a micro-batch goes forward, and rows or gradients of other stages."""
_Made = list[Tensor] | WayBack
"""Rows of a micro-batch that goes forward, or gradients of one that comes back."""


class StageRole:
    """One replica of one stage, from the first step to the checkpoint."""

    def __init__(self, context: RoleContext, stage: Stage, graph: GraphFolder, sampler_clock: Clock | None) -> None:
        """`sampler_clock` is that of the sampler in the same worker, if there is one."""
        self._context, self._links = context, context.links
        plan, index = context.job.plan, context.job.plan.stage_of(context.job.node)
        assert index is not None
        self._stage, self._graph = stage, graph
        rank, stages = context.links.rank, [plan.ranks(each.nodes) for each in plan.stages]
        self._samplers, self._replicas = plan.ranks(plan.sampler), stages[index]
        self._before = stages[index - 1] if index > 0 else ()
        self._after = stages[index + 1] if index + 1 < len(stages) else ()
        self._judge = stages[-1][0]
        """The first replica of the last stage, who decides at the end of an epoch."""
        self._others = [other for ranks in stages for other in ranks if other != rank]
        self._judges, self._replica = self._judge == rank, self._replicas.index(rank)
        self._aggregated = plan.aggregated_by(index)
        self._cores_used = plan.cores_of(context.job.node)
        cores = [sum(map(plan.cores_of, stage.nodes)) for stage in plan.stages]
        self._window = window(index, cores)
        self._room_before = room_for_gradients(index - 1, len(self._before), cores) if self._before else 0
        self._exact_pass = ExactPass(context, stage)
        self._other_clocks = [sampler_clock] if sampler_clock else []
        self._judgement = Judgement(context.job.spec, context.job.begin.judge)
        self._state_writer = StateWriter(context)
        self._loss, self._right = context.job.begin.judge.loss, context.job.begin.judge.right
        """Sum of the losses of the epoch's seeds so far, and right predictions; the last stage knows them."""

    def run(self) -> None:
        """Work from the position at which the job begins to the one at which it stops, or through the test."""
        self._cores = Cores(self._cores_used, self._links.clock, self._context.fail, self._context.system)
        self._meter = self._context.step_meter(self._other_clocks)
        self._epoch_begun = self._context.system.now() - self._context.job.begin.judge.seconds
        position = self._context.walk(self._train_step, self._validate, self._test, self._give_states)
        if position is not None:
            self._give_states(position)
        self._cores.close()
        self._state_writer.finish()
        self._links.flush()
        self._context.tell_trace()

    def _validate(self, epoch: int) -> EpochVerdict:
        score = self._evaluate("validation", epoch)
        if self._judges:
            verdict = self._judgement.of(epoch, score)
            self._announce(verdict, epoch, score)
        else:
            verdict = EpochVerdict.read(self._links.receive(self._judge, Channel.VERDICT, (epoch, 0, 0)))
        if verdict.best:
            self._stage.keep_best(epoch)
        self._loss, self._right = 0.0, 0
        self._epoch_begun = self._context.system.now()
        self._meter.skip()
        return verdict

    def _test(self) -> None:
        """Test the best weights, and write them."""
        stage = self._stage
        stage.restore_best()
        score = self._evaluate("test", TEST_EPOCH)
        if self._judges:
            self._context.emit(Tested(test_accuracy=score.accuracy if score else None))
        if self._replica == 0:
            file = self._context.tensor_file(f"epoch-{stage.best_epoch}-layers-{stage.numbers[0]}-{stage.numbers[-1]}")
            sha256 = write(file, {**stage.fixed_values, **stage.best_weights})
            self._context.emit(CheckpointWritten(epoch=stage.best_epoch, path=str(file), sha256=sha256))

    def _give_states(self, position: Position) -> None:
        """Have one file written for each layer, from which any plan can go on; the judge tells what it knows."""
        if self._replica > 0:
            return
        judge = None
        if self._judges:
            merit = self._judgement.best_merit
            judge = JudgeState(
                best_merit=merit if math.isfinite(merit) else None,
                best_epoch=self._judgement.best_epoch,
                loss=self._loss,
                right=self._right,
                seconds=self._context.system.now() - self._epoch_begun,
            )
        self._state_writer.write(position, self._stage.give_state(), judge)

    def predict(self, weights_file: Path) -> None:
        """Class probabilities of all nodes, by weights that were trained before; the judge writes them."""
        read_weights(weights_file, self._stage.parameters, self._stage.fixed_values)
        everybody = np.arange(self._context.meta.nodes, dtype=np.int32)
        scores = self._exact_pass.run(everybody, TEST_EPOCH, take=None, at_the_end=(self._judge,))
        if self._judges:
            path = Path(self._context.job.output_folder) / "predictions.npy"
            write_probabilities(scores["h"], path)
            self._context.emit(Predicted(path=str(path)))
        self._links.flush()

    def _train_step(self, epoch: int, step: int) -> None:
        self._state_writer.check()
        sizes = self._context.micro_batch_sizes(step)
        moment = Moment(epoch, step, sum(sizes))
        mine = share(self._replica, len(self._replicas), len(sizes))
        self._cores.go(actions_of(mine, self._window, is_last=self._stage.is_last), self._way(moment))
        sums = self._stage.sums
        ring_sum(self._links, self._replicas, sums.numpy(), (epoch, step, 0), rounded=len(sums) - EXACT_SUMS)
        with traced(self._links.tracer, "update", (epoch, step, 0)):
            loss, right = self._stage.update()
        is_last = step == self._context.train_steps[-1]
        if is_last:
            self._links.flush()
        self._context.emit(self._meter.finish(epoch, step, loss if self._judges else None, flushed=is_last))
        self._context.tell_trace()
        if self._judges and not math.isfinite(loss):
            raise no_number(loss, epoch, step, self._context.job.spec)
        self._loss += loss * sum(sizes)
        self._right += right

    def _way(self, moment: Moment) -> Way[_Received, _Made]:
        """Make the functions that do each action of a step."""
        stage, tracer = self._stage, self._links.tracer

        def take(action: Action) -> _Received:
            kind, number = action
            place = (moment.epoch, moment.step, number)
            if kind == "backward":
                return None, tensors_of(self._links.receive(holder(self._after, number), Channel.BACKWARD, place))
            return self._blocks(place), self._rows(place)

        def compute(action: Action, received: _Received, core: int) -> _Made:
            (kind, number), (batch, tensors) = action, received
            with traced(tracer, kind, (moment.epoch, moment.step, number)):
                if batch is None:
                    return stage.backward(number, tensors)
                rows = stage.forward(number, batch, tensors, moment, core)
                return stage.backward(number, []) if kind == "there and back" else rows

        def give(action: Action, made: _Made) -> None:
            place = (moment.epoch, moment.step, action[1])
            if not isinstance(made, WayBack):
                self._pass_on(place, made)
                return
            stage.add(made)
            if self._before:
                before, message = holder(self._before, action[1]), message_of(place, made.gradients)
                self._links.send(before, Channel.BACKWARD, message, self._room_before)

        return Way(take, compute, give)

    def _evaluate(self, split: str, epoch: int) -> Score | None:
        """Score the predictions of a split, for the last stage's replicas; None for an empty split."""
        nodes = self._context.meta.splits[split]
        if nodes == 0:
            return None
        sums = torch.zeros(2, dtype=torch.float64)
        if self._context.job.spec.evaluation(split) == "exact":
            ids = self._graph.array(split)
            self._exact_pass.run(ids, epoch, lambda rows: self._stage.add_score(sums, rows, nodes))
        else:
            mine = share(self._replica, len(self._replicas), len(self._context.evaluation_sizes(split)))
            self._cores.go([("evaluate", number) for number in mine], self._way_of_evaluation(epoch, sums, nodes))
        ring_sum(self._links, self._replicas, sums.numpy(), (epoch, VALIDATION_STEP, 0))
        right, loss = sums.tolist()
        return Score(accuracy=self._accuracy(right, nodes), loss=loss)

    def _way_of_evaluation(
        self, epoch: int, sums: Tensor, nodes: int
    ) -> Way[tuple[MicroBatch, Sequence[Tensor]], Rows | list[Tensor]]:
        """Make the functions that score each micro-batch of a split; the last stage adds to `sums`."""
        stage, tracer = self._stage, self._links.tracer

        def place(action: Action) -> tuple[int, int, int]:
            return epoch, VALIDATION_STEP, action[1]

        def take(action: Action) -> tuple[MicroBatch, Sequence[Tensor]]:
            return self._blocks(place(action)), self._rows(place(action))

        def compute(action: Action, received: tuple[MicroBatch, Sequence[Tensor]], core: int) -> Rows | list[Tensor]:
            with traced(tracer, "evaluate", place(action)):
                rows = stage.evaluate(*received, core)
                return rows if stage.is_last else stage.outgoing(rows)

        def give(action: Action, made: Rows | list[Tensor]) -> None:
            if isinstance(made, Rows):
                stage.add_score(sums, made, nodes)
            else:
                self._pass_on(place(action), made)

        return Way(take, compute, give)

    def _accuracy(self, right: float, nodes: int) -> float | None:
        return right / nodes if self._context.job.spec.loss == "cross-entropy" else None

    def _announce(self, verdict: EpochVerdict, epoch: int, score: Score | None) -> None:
        for rank in self._samplers:
            self._links.send(rank, Channel.SAMPLER_VERDICT, verdict.message(epoch))
        for rank in self._others:
            self._links.send(rank, Channel.VERDICT, verdict.message(epoch))
        seeds = self._context.meta.splits["train"]
        done = EpochDone(
            epoch=epoch,
            loss=self._loss / seeds,
            train_accuracy=self._accuracy(self._right, seeds),
            validation_accuracy=score.accuracy if score else None,
            validation_loss=score.loss if score else None,
            best=verdict.best,
            seconds=self._context.system.now() - self._epoch_begun,
        )
        self._context.emit(done)

    def _blocks(self, place: tuple[int, int, int]) -> MicroBatch:
        message = self._links.receive(holder(self._samplers, place[2]), Channel.BLOCKS, place)
        return micro_batch_of(message, self._aggregated, self._stage.data.graph_degrees)

    def _rows(self, place: tuple[int, int, int]) -> Sequence[Tensor]:
        if not self._before:
            return []
        return tensors_of(self._links.receive(holder(self._before, place[2]), Channel.FORWARD, place))

    def _pass_on(self, place: tuple[int, int, int], rows: list[Tensor]) -> None:
        if self._after:
            self._links.send(holder(self._after, place[2]), Channel.FORWARD, message_of(place, rows))
