"""Objectives: the class of a node is learnt, or a value."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from torch.nn.functional import cross_entropy

if TYPE_CHECKING:
    from torch import Tensor

    from picluster.schema.spec import Loss


class Objective(Protocol):
    """Compares the last layer's `scores` (N, columns) with `labels` (N,)."""

    def losses(self, scores: Tensor, labels: Tensor) -> Tensor:
        """Loss of each row: (N,)."""

    def right(self, scores: Tensor, labels: Tensor) -> int:
        """Number of rows that are predicted rightly."""


class ClassObjective:
    """Cross entropy of the softmax; labels are numbers of classes."""

    def losses(self, scores: Tensor, labels: Tensor) -> Tensor:
        """Loss of each row: (N,)."""
        return cross_entropy(scores, labels.long(), reduction="none")

    def right(self, scores: Tensor, labels: Tensor) -> int:
        """Number of rows whose highest score is that of their class."""
        return int((scores.argmax(dim=1) == labels).sum())


class ValueObjective:
    """Absolute error of the only score; labels are values. Nothing is right or wrong."""

    def losses(self, scores: Tensor, labels: Tensor) -> Tensor:
        """Loss of each row: (N,)."""
        return (scores[:, 0] - labels).abs()

    def right(self, scores: Tensor, labels: Tensor) -> int:  # noqa: ARG002
        """Always 0."""
        return 0


OBJECTIVES: dict[Loss, Objective] = {"cross-entropy": ClassObjective(), "absolute-error": ValueObjective()}
