"""The sampler of a run: tells every stage which nodes it needs, and runs ahead of them within an epoch."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from picluster.randomness import Purpose
from picluster.worker.measuring.memory import fits_easily
from picluster.worker.measuring.metrics import StepMeter
from picluster.worker.roles.context import TEST_EPOCH, VALIDATION_STEP, RoleContext
from picluster.worker.roles.exact_pass import Holders, chunks, nodes_of_layer, place
from picluster.worker.roles.judgement import EpochVerdict
from picluster.worker.roles.schedule import holder, share
from picluster.worker.sampling.blocks import message_for
from picluster.worker.sampling.sampler import NeighbourSampler, cut, shuffled
from picluster.worker.wire.links import Channel
from picluster.worker.wire.messages import Message

if TYPE_CHECKING:
    from collections.abc import Sequence

    from picluster.graph.folder import GraphFolder
    from picluster.schema.state import Position
    from picluster.worker.sampling.sampler import Ids


class SamplerRole:
    """Samples the micro-batches that fall to this node and sends each stage its part."""

    def __init__(self, context: RoleContext, graph: GraphFolder) -> None:
        spec, plan = context.job.spec, context.job.plan
        self._context = context
        self._links = context.links
        self._graph = graph
        self._stages = [
            (stage.layers[0], plan.aggregated_by(index), plan.ranks(stage.nodes))
            for index, stage in enumerate(plan.stages)
        ]
        self._judge = plan.rank(plan.stages[-1].nodes[0])
        self._member, self._members = plan.sampler.index(context.job.node), len(plan.sampler)
        self._has_stage = plan.stage_of(context.job.node) is not None
        indptr = graph.array("indptr")
        indices = graph.array("indices", read_ahead=fits_easily(graph.meta.files["indices"].bytes))
        self._sampler = NeighbourSampler(indptr, indices, fanout=spec.fanout, depth=plan.depth, seed=spec.seed)

    def run(self) -> None:
        """Work from the position at which the job begins to the one at which it stops, or through the test."""
        job = self._context.job
        self._seeds = self._seeds_of(job.begin.position.epoch)
        self._meter = None if self._has_stage else StepMeter(self._links.clock, system=self._context.system)
        position: Position | None = job.begin.position
        while position is not None and position != job.stop:
            position = self._advance(position)
        self._links.flush()

    def _advance(self, position: Position) -> Position | None:
        """Do the work of one position; returns the next, None after the test."""
        epoch = position.epoch
        if position.phase == "training":
            self._train_step(epoch, position.step)
            return self._context.after(position)
        if position.phase == "test":
            self._evaluate("test", TEST_EPOCH)
            return None
        self._evaluate("validation", epoch)
        message = self._links.receive(self._judge, Channel.SAMPLER_VERDICT, (epoch, 0, 0))
        following = self._context.after_epoch(epoch, EpochVerdict.read(message))
        if following.phase == "training":
            self._seeds = self._seeds_of(following.epoch)
            if self._meter:
                self._meter.skip()
        return following

    def predict(self) -> None:
        """One exact pass over all nodes."""
        self._emit_everything(np.arange(self._context.meta.nodes, dtype=np.int32), TEST_EPOCH)
        self._links.flush()

    def _seeds_of(self, epoch: int) -> Ids:
        """The training nodes in an epoch's order."""
        spec, seeds = self._context.job.spec, self._graph.array("train")
        return seeds if spec.batch_size is None else shuffled(seeds, spec.seed, epoch)

    def _train_step(self, epoch: int, step: int) -> None:
        """Sample the micro-batches of one step."""
        sizes, begin = self._context.micro_batch_sizes(step), (step - 1) * (self._context.job.spec.batch_size or 0)
        self._emit_blocks(self._seeds[begin : begin + sum(sizes)], sizes, (epoch, step), Purpose.SAMPLE)
        is_last = step == self._context.train_steps[-1]
        if is_last:
            self._links.flush()
        if self._meter:
            self._context.emit(self._meter.finish(epoch, step, flushed=is_last))

    def _evaluate(self, split: str, epoch: int) -> None:
        if self._context.job.spec.evaluation(split) == "exact":
            self._emit_everything(self._graph.array(split), epoch)
            return
        sizes = self._context.evaluation_sizes(split)
        self._emit_blocks(self._graph.array(split), sizes, (epoch, VALIDATION_STEP), Purpose.VALIDATE)

    def _emit_blocks(self, seeds: Ids, sizes: Sequence[int], moment: tuple[int, int], purpose: Purpose) -> None:
        """Sample this node's share of the micro-batches and send it off."""
        micro_batches = cut(seeds, sizes)
        # An evaluation draws the same neighbours in every epoch, so that epochs can be compared.
        epoch, step = moment if purpose is Purpose.SAMPLE else (0, 0)
        for number in share(self._member, self._members, len(micro_batches)):
            sample = self._sampler.sample(micro_batches[number], purpose=purpose, epoch=epoch, step=step)
            for first, aggregated, ranks in self._stages:
                message = message_for(sample, first, aggregated, (*moment, number))
                self._links.send(holder(ranks, number), Channel.BLOCKS, message)

    def _emit_everything(self, nodes: Ids, epoch: int) -> None:
        """Send all neighbours of all nodes for exact inference, layer by layer; in the last layer those of `nodes`."""
        if len(nodes) == 0:
            return
        plan = self._context.job.plan
        for layer in range(1, plan.depth + 1):
            chosen = nodes_of_layer(layer, plan.depth, nodes, self._context.meta.nodes)
            ranks = Holders.of_layer(plan, layer, at_the_end=()).aggregating
            parts = chunks(self._sampler.degrees(chosen))
            for number in share(self._member, self._members, len(parts)):
                ids = chosen[parts[number]]
                found = [torch.from_numpy(each) for each in (ids, *self._sampler.all_neighbours(ids))]
                self._links.send(holder(ranks, number), Channel.BLOCKS, Message(place(epoch, layer, number), found))
