"""What a run has learnt, as its folder tells: all that no fault, plan or restart may change."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from picluster.controller.record.weights import read_weights
from picluster.schema.events import EpochDone, StepDone

if TYPE_CHECKING:
    from picluster.controller.record.run_folder import RunFolder


@dataclass
class Learnt:
    """Losses, accuracies and weights."""

    losses: dict[tuple[int, int], float | None]
    """By epoch and step."""
    epochs: dict[int, EpochDone]
    accuracy: float | None
    weights: dict[str, bytes]


def learnt(folder: RunFolder) -> Learnt:
    """Read what a finished run has learnt; steps and epochs that were made twice count once."""
    metrics = [each.event for node in folder.node_names() for each in folder.metrics(node)]
    steps = [each for each in metrics if isinstance(each, StepDone) and each.loss is not None]
    epochs = [each.event for each in folder.events() if isinstance(each.event, EpochDone)]
    result = folder.result()
    losses = {(step.epoch, step.step): step.loss for step in steps}
    assert len(losses) == len(steps), "a step is counted twice"
    return Learnt(
        losses=losses,
        epochs={each.epoch: msgspec.structs.replace(each, seconds=0.0) for each in epochs},
        accuracy=result.test_accuracy if result else None,
        weights={name: each.tobytes() for name, each in sorted(read_weights(folder).items())},
    )


def differences(found: Learnt, expected: Learnt) -> list[str]:
    """What was learnt otherwise."""
    wrong = []
    for name in ("losses", "epochs", "accuracy", "weights"):
        one, other = getattr(found, name), getattr(expected, name)
        if one != other:
            wrong.append(f"other {name}: {one!r:.300} instead of {other!r:.300}")
    return wrong
