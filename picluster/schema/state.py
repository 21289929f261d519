"""A place in the course of a run, and what the judge knows there: with the layers' files, enough to go on elsewhere."""

from typing import Literal

from picluster.schema.record import Record

Phase = Literal["training", "validation", "test"]


class Position(Record, frozen=True, kw_only=True):
    """The next thing that all roles of a run do: a training step, the validation of an epoch, or the test."""

    phase: Phase = "training"
    """The test includes the weights' files, which are written after it."""
    epoch: int = 1
    """Counted from 1; for the test the last epoch that was made."""
    step: int = 1
    """Counted from 1 within the epoch; 0 outside of training."""

    @property
    def name(self) -> str:
        """Part of file names, such as `epoch-2-step-17` or `epoch-2-validation`."""
        return f"epoch-{self.epoch}-{f'step-{self.step}' if self.phase == 'training' else self.phase}"


class JudgeState(Record, frozen=True, kw_only=True):
    """Findings of the judge, the first replica of the last stage, at one position."""

    best_merit: float | None = None
    """The best epoch's validation accuracy, or its loss with a minus; None before the first."""
    best_epoch: int = 0
    """0 before the first."""
    loss: float = 0.0
    """Sum of the losses of the current epoch's seeds."""
    right: int = 0
    """Right predictions of the current epoch's training."""
    seconds: float = 0.0
    """Time that the current epoch has taken."""


class Beginning(Record, frozen=True, kw_only=True):
    """The position and state at which a worker takes up its run: by default the first step, with fresh weights."""

    position: Position = Position()
    judge: JudgeState = JudgeState()
    """Known to every worker, used by the judge."""
    layer_files: tuple[str, ...] = ()
    """Paths on the node: the state of each layer that it holds, in their order."""
