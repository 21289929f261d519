"""Early stopping: the last stage decides after every epoch whether it was the best, and whether it is the last."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from typing import NamedTuple

import numpy as np

from picluster.errors import RunFailed
from picluster.schema.spec import Spec
from picluster.schema.state import JudgeState
from picluster.worker.wire.messages import Message


@dataclass(frozen=True)
class Score:
    """Quality of the predictions for a split."""

    accuracy: float | None
    """None where values are learnt."""
    loss: float
    """Mean over the nodes, without dropout."""


class EpochVerdict(NamedTuple):
    """Decision of the judge at the end of an epoch."""

    best: bool
    """These weights are the best so far."""
    last: bool
    """No further epoch follows."""

    def message(self, epoch: int) -> Message:
        """Pack the verdict for the other roles."""
        return Message((epoch, 0, 0), [np.array([self.best, self.last], np.int64)])

    @staticmethod
    def read(message: Message) -> EpochVerdict:
        """Read what `message` wrote."""
        best, last = message.arrays[0].tolist()
        return EpochVerdict(bool(best), bool(last))


class Judgement:
    """Early stopping (Prechelt, "Early stopping – but when?", 1998): after `patience` epochs without a better one."""

    def __init__(self, spec: Spec, begin: JudgeState) -> None:
        """`begin`: what was found before, by whichever node judged then."""
        self._spec = spec
        self.best_merit = -inf if begin.best_merit is None else begin.best_merit
        self.best_epoch = begin.best_epoch

    def of(self, epoch: int, score: Score | None) -> EpochVerdict:
        """Judge an epoch: is it the best so far, and the last? Without validation nodes every epoch is the best."""
        is_best = True
        if score is not None:
            merit = -score.loss if self._spec.monitor == "loss" or score.accuracy is None else score.accuracy
            is_best = merit > self.best_merit or self.best_epoch == 0  # the first even where its loss is no number
            self.best_merit = max(self.best_merit, merit)
        if is_best:
            self.best_epoch = epoch
        patience = self._spec.patience
        has_waited = patience is not None and epoch - self.best_epoch >= patience
        return EpochVerdict(is_best, has_waited or epoch == self._spec.epochs)


def no_number(loss: float, epoch: int, step: int, spec: Spec) -> RunFailed:
    """The error that ends a run whose loss is infinite or no number, with advice that fits the moment."""
    what = f"the loss became {loss} in step {step} of epoch {epoch}"
    if (epoch, step) == (1, 1):
        causes = "very large features (scale them) or an operation of the model (a logarithm or quotient of 0)"
        fix = f"look for {causes}; the learning rate is no cause"
        return RunFailed(f"{what}, before anything was learnt", fix=fix, fault="model")
    lower = f"lower the learning rate: it is {spec.optimizer.learning_rate:g}, try --learning-rate"
    fix = f"{lower} {spec.optimizer.learning_rate / 10:g}; scale features that are far above 1"
    return RunFailed(what, fix=fix, fault="model")
