"""Which epoch was the best, and which is the last: decided by the last stage at the end of every epoch."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from typing import TYPE_CHECKING

from picluster.worker.role import Verdict

if TYPE_CHECKING:
    from picluster.schema.spec import Spec


@dataclass(frozen=True)
class Score:
    """How well the nodes of a split are predicted."""

    accuracy: float | None
    """None where values are learnt."""
    loss: float
    """Mean over the nodes, without dropout."""


class Judgement:
    """Early stopping (Prechelt, "Early stopping – but when?", 1998): after `patience` epochs without a better one."""

    def __init__(self, spec: Spec) -> None:
        self._spec = spec
        self._best = -inf
        self._best_epoch = 0

    def of(self, epoch: int, score: Score | None) -> Verdict:
        """Whether this epoch is the best so far, and the last. Without validation nodes every epoch is the best."""
        is_best = True
        if score is not None:
            merit = -score.loss if self._spec.monitor == "loss" or score.accuracy is None else score.accuracy
            is_best = merit > self._best or self._best_epoch == 0  # the first even where its loss is no number
            self._best = max(self._best, merit)
        if is_best:
            self._best_epoch = epoch
        patience = self._spec.patience
        has_waited = patience is not None and epoch - self._best_epoch >= patience
        return Verdict(is_best, has_waited or epoch == self._spec.epochs)
