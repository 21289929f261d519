"""State of a run under way, from its events and a clock. Draws nothing."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from statistics import fmean, median
from typing import TYPE_CHECKING, Literal

from picluster.cli.show.loss_curve import LossCurve
from picluster.schema.events import AnyEvent, Done, Ended, EpochDone, Failed, Logged, Ready, Resources, StepDone, Tested
from picluster.schema.state import Position

if TYPE_CHECKING:
    from picluster.controller.record.run_folder import RunFolder
    from picluster.schema.plan import Plan
    from picluster.schema.run import Resumption
    from picluster.schema.spec import Spec

Phase = Literal["starting", "training", "testing", "ending", "finished", "failed", "stopped"]

LOG_LINES = 4
_RECENT_STEPS = 50
_RECENT_EPOCHS = 5
_VALIDATING_SECONDS = 1.0
"""Time after an epoch's last step from which the view says that the run is validating."""


@dataclass(frozen=True)
class Past:
    """The course of a run before an attempt that took it up again."""

    position: Position = field(default_factory=Position)
    epochs: Sequence[EpochDone] = ()

    @staticmethod
    def of(folder: RunFolder, attempt: Resumption | None) -> Past:
        """The past of an attempt; that of the first, which has none, is empty."""
        return Past(attempt.position, folder.epochs_before(attempt)) if attempt else Past()


@dataclass
class NodeActivity:
    """State of one node, from its own events."""

    role: str
    layers: tuple[int, ...]
    doing: Literal["starting", "ready", "training", "done", "lost", "failed"] = "starting"
    resources: Resources | None = None
    steps: deque[StepDone] = field(default_factory=lambda: deque(maxlen=_RECENT_STEPS))

    @property
    def step_ms(self) -> float | None:
        """Median of recent steps; None before the first step."""
        return median(step.step_ms for step in self.steps) if self.steps else None

    @property
    def wait_ms(self) -> float | None:
        """Median of the part of recent steps that was spent waiting for messages."""
        return median(step.wait_ms for step in self.steps) if self.steps else None

    def hear(self, event: AnyEvent) -> None:
        """Take an event of this node into account."""
        if isinstance(event, Ready):
            self.doing = "ready"
        elif isinstance(event, StepDone):
            self.doing = "training"
            self.steps.append(event)
        elif isinstance(event, Resources):
            self.resources = event
        elif isinstance(event, Failed):
            self.doing = "lost" if event.lost_peer else "failed"
        elif isinstance(event, Done):
            self.doing = "done"
        elif isinstance(event, Ended) and self.doing not in ("done", "lost"):
            self.doing = "failed"


class RunState:
    """State of a run from its start to its end."""

    def __init__(
        self,
        spec: Spec,
        plan: Plan,
        training_nodes: int,
        clock: Callable[[], float] = time.monotonic,
        past: Past | None = None,
    ) -> None:
        self.epochs, self.steps, self.patience = spec.epochs, spec.steps(training_nodes), spec.patience
        self.tests_exactly = spec.evaluation("test") == "exact"
        self.nodes = {node: NodeActivity(plan.role_of(node), plan.layers_of(node)) for node in plan.nodes}
        self.log: deque[tuple[str, str]] = deque(maxlen=LOG_LINES)
        """Last lines of the workers' logs, each with its node."""
        self.phase: Phase = "starting"
        past = past or Past()
        self._taken_up = past.position
        self.step = {"training": past.position.step - 1, "validation": self.steps, "test": 0}[past.position.phase]
        self.last = past.epochs[-1] if past.epochs else None
        self.best = next((done for done in reversed(past.epochs) if done.best), None)
        self.loss = self.last.loss if self.last else None
        self.curve = LossCurve()
        """Loss of each step of this attempt."""
        self._clock = clock
        self._began = self._phase_began = self._epoch_began = self._step_ended = clock()
        self._judge = plan.stages[-1].nodes[0]
        self._epoch_seconds: deque[float] = deque(maxlen=_RECENT_EPOCHS)

    def hear(self, node: str, event: AnyEvent) -> None:
        """Take an event into account."""
        if isinstance(event, Logged):
            self.log.append((node, event.line))
            return
        self.nodes[node].hear(event)
        if self.phase == "starting" and self.ready == len(self.nodes):
            self._enter("testing" if self._taken_up.phase == "test" else "training")
        if isinstance(event, StepDone) and node == self._judge:
            self.step, self._step_ended = event.step, self._clock()
            if event.loss is not None:
                self.loss = event.loss
                self.curve.add(event.loss)
        elif isinstance(event, EpochDone):
            self._end_epoch(event)
        elif isinstance(event, Tested):
            self._enter("ending")

    def end(self, *, stopped: bool = False) -> None:
        """Enter the last phase: no more events will come."""
        if stopped:
            self._enter("stopped")
        else:
            self._enter("finished" if all(node.doing == "done" for node in self.nodes.values()) else "failed")

    @property
    def ready(self) -> int:
        """Number of nodes that have got ready."""
        return sum(node.doing != "starting" for node in self.nodes.values())

    @property
    def epochs_done(self) -> int:
        """Number of whole epochs."""
        return self.last.epoch if self.last else 0

    @property
    def share_done(self) -> float:
        """Share of the training that is done, from 0 to 1; a run that stopped early had no more to do."""
        if self.phase in ("testing", "ending", "finished"):
            return 1.0
        return (self.epochs_done + self.step / self.steps) / self.epochs

    @property
    def is_validating(self) -> bool:
        """True where the steps of an epoch have been over for a while, but the epoch is not."""
        waits = self._clock() - self._step_ended > _VALIDATING_SECONDS
        return self.phase == "training" and self.step == self.steps and waits

    @property
    def seconds(self) -> float:
        """Time since the beginning; in the test, since the test began."""
        return self._clock() - (self._phase_began if self.phase == "testing" else self._began)

    @property
    def seconds_left(self) -> float | None:
        """Time left of the training, by recent epochs, in the first by its steps; None before any of them."""
        if self._epoch_seconds:
            epoch_seconds = fmean(self._epoch_seconds)
        elif self.step > 1 and (step_ms := self.nodes[self._judge].step_ms):
            epoch_seconds = step_ms / 1e3 * self.steps
        else:
            return None
        left = self.epochs - self.epochs_done
        return max(left * epoch_seconds - (self._clock() - self._epoch_began), (left - 1) * epoch_seconds, 0.0)

    def _end_epoch(self, done: EpochDone) -> None:
        if len(self._epoch_seconds) == 1 and done.epoch == self._taken_up.epoch + 1:
            self._epoch_seconds.clear()  # the first epoch pays for first touches of memory and files
        self._epoch_seconds.append(done.seconds)
        self.last, self.step, self.loss = done, 0, done.loss
        self.best = done if done.best else self.best
        self._epoch_began = self._clock()
        since_best = done.epoch - (self.best.epoch if self.best else 0)
        if done.epoch == self.epochs or (self.patience is not None and since_best >= self.patience):
            self._enter("testing")

    def _enter(self, phase: Phase) -> None:
        """Enter a phase. The last one stops the clock, since the screen then stays as it is."""
        now = self._clock()
        self.phase, self._phase_began = phase, now
        if phase == "training":
            self._epoch_began = now
        elif phase in ("finished", "failed", "stopped"):
            self._clock = lambda: now
