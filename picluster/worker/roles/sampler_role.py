"""The sampler of a run: tells every stage which nodes it needs, and runs ahead of them within an epoch."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from picluster.graph.folder import GraphFolder
from picluster.randomness import Purpose
from picluster.worker.measuring.memory import fits_easily
from picluster.worker.roles.context import TEST_EPOCH, VALIDATION_STEP, RoleContext
from picluster.worker.roles.exact_order import Holders, chunks, nodes_of_layer, place
from picluster.worker.roles.judgement import EpochVerdict
from picluster.worker.roles.schedule import holder, share
from picluster.worker.sampling.blocks import message_for
from picluster.worker.sampling.sampler import Ids, NeighbourSampler, cut, shuffled
from picluster.worker.wire.links import Channel
from picluster.worker.wire.messages import Message
from picluster.worker.wire.tracer import traced


class SamplerRole:
    """Samples the micro-batches that fall to this node and sends each stage its part."""

    def __init__(self, context: RoleContext, graph: GraphFolder) -> None:
        self._context, self._links = context, context.links
        spec, plan = context.job.spec, context.job.plan
        self._graph = graph
        self._stages = [
            (stage.layers[0], plan.aggregated_by(index), plan.ranks(stage.nodes))
            for index, stage in enumerate(plan.stages)
        ]
        self._judge = plan.rank(plan.stages[-1].nodes[0])
        self._member, self._members = plan.sampler.index(context.job.node), len(plan.sampler)
        self._has_stage = plan.stage_of(context.job.node) is not None
        indptr = graph.array("indptr")
        indices = graph.neighbour_ids(read_ahead=fits_easily(graph.meta.files["indices"].bytes))
        self._sampler = NeighbourSampler(indptr, indices, fanout=spec.fanout, depth=plan.depth, seed=spec.seed)

    def run(self) -> None:
        """Work from the position at which the job begins to the one at which it stops, or through the test."""
        self._seeds = self._seeds_of(self._context.job.begin.position.epoch)
        self._meter = None if self._has_stage else self._context.step_meter()
        self._context.walk(self._train_step, self._validate, lambda: self._evaluate("test", TEST_EPOCH))
        self._links.flush()
        self._context.tell_trace()

    def _validate(self, epoch: int) -> EpochVerdict:
        self._evaluate("validation", epoch)
        verdict = EpochVerdict.read(self._links.receive(self._judge, Channel.SAMPLER_VERDICT, (epoch, 0, 0)))
        if not verdict.last:
            self._seeds = self._seeds_of(epoch + 1)
            if self._meter:
                self._meter.skip()
        return verdict

    def predict(self) -> None:
        """One exact pass over all nodes."""
        self._emit_everything(np.arange(self._context.meta.nodes, dtype=np.int32), TEST_EPOCH)
        self._links.flush()

    def _seeds_of(self, epoch: int) -> Ids:
        """The training nodes in an epoch's order."""
        spec, seeds = self._context.job.spec, self._graph.array("train")
        return seeds if spec.batch_size is None else shuffled(seeds, spec.seed, epoch)

    def _train_step(self, epoch: int, step: int) -> None:
        sizes, begin = self._context.micro_batch_sizes(step), (step - 1) * (self._context.job.spec.batch_size or 0)
        self._emit_blocks(self._seeds[begin : begin + sum(sizes)], sizes, (epoch, step), Purpose.SAMPLE)
        is_last = step == self._context.train_steps[-1]
        if is_last:
            self._links.flush()
        if self._meter:
            self._context.emit(self._meter.finish(epoch, step, flushed=is_last))
        self._context.tell_trace()

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
            with traced(self._links.tracer, "sample", (*moment, number)):
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
                found = [ids, *self._sampler.all_neighbours(ids)]
                self._links.send(holder(ranks, number), Channel.BLOCKS, Message(place(epoch, layer, number), found))
