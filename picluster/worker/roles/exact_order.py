"""Order of an exact pass: chunks of nodes, and who works on which, for samplers and stages alike."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from picluster.schema.plan import Plan
from picluster.worker.roles.schedule import holder
from picluster.worker.sampling.sampler import Ids

NODES_AT_ONCE = 1 << 12
EDGES_AT_ONCE = 1 << 21


def chunks(degrees: Ids) -> list[slice]:
    """Cut nodes with these `degrees` (n,) into successive slices of bounded nodes and edges, each of one at least."""
    ends, begin, found = np.cumsum(degrees, dtype=np.int64), 0, []
    while begin < len(degrees):
        before = ends[begin - 1] if begin else 0
        fitting = int(np.searchsorted(ends, before + EDGES_AT_ONCE, side="right"))
        end = min(max(fitting, begin + 1), begin + NODES_AT_ONCE)
        found.append(slice(begin, min(end, len(degrees))))
        begin = found[-1].stop
    return found


def nodes_of_layer(layer: int, depth: int, nodes: Ids, count: int) -> Ids:
    """Choose the nodes whose rows an exact pass computes in a layer: all `count`; in the last layer `nodes`."""
    return nodes if layer == depth else np.arange(count, dtype=np.int32)


def place(epoch: int, layer: int, chunk: int) -> tuple[int, int, int]:
    """Return the place of a message of an exact pass; steps of training have no negative numbers."""
    return epoch, -layer, chunk


@dataclass(frozen=True)
class Holders:
    """Ranks that work on one layer of an exact pass; chunk c falls to number c mod their number."""

    samplers: Sequence[int]
    aggregating: Sequence[int]
    transforming: Sequence[int]
    keeping: Sequence[int]
    """Ranks that need the rows that come out."""

    @staticmethod
    def of_layer(plan: Plan, layer: int, at_the_end: Sequence[int]) -> Holders:
        """Find the ranks of a layer; `at_the_end` are those that need the rows of the last one."""
        stages = [plan.ranks(stage.nodes) for stage in plan.stages]
        transforming = next(ranks for ranks, s in zip(stages, plan.stages, strict=True) if layer in s.layers)
        keeping = stages[plan.stage_aggregating(layer + 1)] if layer < plan.depth else at_the_end
        return Holders(plan.ranks(plan.sampler), stages[plan.stage_aggregating(layer)], transforming, keeping)

    def order(self, rank: int, count: int) -> list[int]:
        """The chunks, as `rank` meets them: in each round its own before those that it gets from its equals."""
        size = len(self.transforming)
        return sorted(range(count), key=lambda chunk: (chunk // size, holder(self.transforming, chunk) != rank))
