"""Context of a role: the job, the graph's sizes, its links, the way to tell what happens; and its way through a run."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from picluster.schema.events import WorkerEvent
from picluster.schema.graph import GraphMeta
from picluster.schema.job import Job
from picluster.schema.state import Position
from picluster.system import SYSTEM, System
from picluster.worker.measuring.metrics import StepMeter
from picluster.worker.roles.judgement import EpochVerdict
from picluster.worker.wire.links import Clock, Links

VALIDATION_STEP = 0
"""Stands in messages of an evaluation: training steps count from 1."""
TEST_EPOCH = 0
"""Stands in messages of the test: epochs count from 1."""


def _raise(error: BaseException) -> None:
    raise error


@dataclass(frozen=True)
class RoleContext:
    """Everything around one role."""

    job: Job
    meta: GraphMeta
    links: Links
    emit: Callable[[WorkerEvent], None]
    fail: Callable[[BaseException], None] = _raise
    """Ends the worker when a thread of the role breaks."""
    system: System = SYSTEM
    states_wanted: set[Position] = field(default_factory=set)
    """Positions at which the layers' states were asked for while the run went on; another thread adds to them."""
    machines: Mapping[bytes, str] = field(default_factory=dict)
    """Nodes on other machines by their addresses, as sockets know them."""

    @property
    def train_steps(self) -> range:
        """The numbers of an epoch's steps."""
        return range(1, self.job.spec.steps(self.meta.splits["train"]) + 1)

    def step_meter(self, others: Sequence[Clock] = ()) -> StepMeter:
        """Begin to measure steps; `others` are clocks of further roles in this worker."""
        return StepMeter(self.links.clock, others, self.system, self.job.plan.nodes, self.machines)

    def tensor_file(self, name: str) -> Path:
        """Path of a file of tensors that the controller fetches."""
        return Path(self.job.output_folder) / f"{name}.safetensors"

    def tell_trace(self) -> None:
        """Tell what the role did since it told the last, where a trace is asked for."""
        if tracer := self.links.tracer:
            self.emit(tracer.told())

    def micro_batch_sizes(self, step: int) -> tuple[int, ...]:
        """Seeds of each micro-batch of a training step."""
        spec = self.job.spec
        return spec.micro_batch_sizes(spec.seeds_of_step(self.meta.splits["train"], step - 1))

    def walk(
        self,
        train_step: Callable[[int, int], None],
        validate: Callable[[int], EpochVerdict],
        test: Callable[[], None],
        give_states: Callable[[Position], None] = lambda _: None,
    ) -> Position | None:
        """Have a role work from the position at which the job begins to the one at which it stops, or through the test.

        Its part of an update is `train_step` (epoch, step); of a validation `validate`, which returns what the judge
        decides. Where the layers' states are wanted it calls `give_states`. Returns the position at which the job
        stops; None after the test.
        """
        position = self.job.begin.position
        while position != self.job.stop:
            if self._wants_states(position):
                give_states(position)
            epoch, step = position.epoch, position.step
            if position.phase == "test":
                test()
                return None
            if position.phase == "validation":
                is_last = validate(epoch).last
                position = Position(phase="test", epoch=epoch, step=0) if is_last else Position(epoch=epoch + 1)
            else:
                train_step(epoch, step)
                is_last = step == self.train_steps[-1]
                validation = Position(phase="validation", epoch=epoch, step=0)
                position = validation if is_last else Position(epoch=epoch, step=step + 1)
        return position

    def _wants_states(self, position: Position) -> bool:
        """True where the layers' states shall be given before a position; never where they have just been taken."""
        if position == self.job.begin.position:
            return False
        if self.job.state_steps is not None and position.phase == "training":
            made = (position.epoch - 1) * len(self.train_steps) + position.step - 1
            if made % self.job.state_steps == 0:
                return True
        return position in self.states_wanted

    def evaluation_sizes(self, split: str) -> tuple[int, ...]:
        """Seeds of each micro-batch of a pass over `validation` or `test`."""
        spec, nodes = self.job.spec, self.meta.splits[split]
        if nodes == 0:
            return ()
        steps = range(spec.steps(nodes))
        return tuple(size for step in steps for size in spec.micro_batch_sizes(spec.seeds_of_step(nodes, step)))
