"""The context of a role: the job, the graph's sizes, its links, and the way to tell what happens."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from picluster.schema.state import Position
from picluster.system import SYSTEM, System

if TYPE_CHECKING:
    from collections.abc import Callable

    from picluster.schema.events import WorkerEvent
    from picluster.schema.graph import GraphMeta
    from picluster.schema.job import Job
    from picluster.schema.plan import Plan
    from picluster.worker.roles.judgement import EpochVerdict
    from picluster.worker.wire.links import Links

VALIDATION_STEP = 0
"""Training steps count from 1."""
TEST_EPOCH = 0
"""Epochs count from 1."""


@dataclass(frozen=True)
class RoleContext:
    """Everything around one role."""

    job: Job
    meta: GraphMeta
    links: Links
    emit: Callable[[WorkerEvent], None]
    system: System = SYSTEM

    @property
    def train_steps(self) -> range:
        """The numbers of an epoch's steps."""
        return range(1, self.job.spec.steps(self.meta.splits["train"]) + 1)

    def micro_batch_sizes(self, step: int) -> tuple[int, ...]:
        """Seeds of each micro-batch of a training step."""
        spec = self.job.spec
        return spec.micro_batch_sizes(spec.seeds_of_step(self.meta.splits["train"], step - 1))

    def after(self, position: Position) -> Position:
        """Return the position after a training step: the next one, or the validation."""
        if position.step == self.train_steps[-1]:
            return Position(phase="validation", epoch=position.epoch, step=0)
        return Position(epoch=position.epoch, step=position.step + 1)

    def after_epoch(self, epoch: int, verdict: EpochVerdict) -> Position:
        """Return the position after a validation: the next epoch, or the test."""
        return Position(phase="test", epoch=epoch, step=0) if verdict.last else Position(epoch=epoch + 1)

    def evaluation_sizes(self, split: str) -> tuple[int, ...]:
        """Seeds of each micro-batch of a pass over `validation` or `test`."""
        spec, nodes = self.job.spec, self.meta.splits[split]
        if nodes == 0:
            return ()
        steps = range(spec.steps(nodes))
        return tuple(size for step in steps for size in spec.micro_batch_sizes(spec.seeds_of_step(nodes, step)))


@dataclass(frozen=True)
class Ranks:
    """Ranks of the roles that one replica of a stage works with."""

    samplers: tuple[int, ...]
    before: tuple[int, ...]
    """The stage before; nobody for the first."""
    replicas: tuple[int, ...]
    """Its equals, itself among them."""
    after: tuple[int, ...]
    judge: int
    """The first replica of the last stage, who decides at the end of an epoch."""

    @staticmethod
    def of_stage(plan: Plan, index: int) -> Ranks:
        """Ranks around the replicas of a plan's stage."""
        stages = [plan.ranks(stage.nodes) for stage in plan.stages]
        before = stages[index - 1] if index > 0 else ()
        after = stages[index + 1] if index + 1 < len(stages) else ()
        return Ranks(plan.ranks(plan.sampler), before, stages[index], after, stages[-1][0])
