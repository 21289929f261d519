"""Early stopping in real processes: it ends when it should, keeps the best weights, and any plan decides alike."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import pytest

from picluster.controller.record.run_folder import RunFolder
from picluster.schema.events import CheckpointWritten, Done, EpochDone
from tests.integration.desk import GRAPH, Desk, losses

pytestmark = pytest.mark.slow

PATIENCE, EPOCHS = 3, 40
PLANS = {
    "single": ("--strategy", "single"),
    "layer-split": ("--layers-per-node", "1", "--nodes", "3"),
    "data-parallel": ("--strategy", "data-parallel", "--nodes", "2"),
}
# A large step: the validation accuracy goes up and down.
SAME = (*GRAPH, "--hidden", "16", "--fanout", "4,3", "--batch-size", "64", "--learning-rate", "0.06", "--seed", "3")


def stopping(desk: Desk, plan: str, validation: str) -> RunFolder:
    limits = ("--epochs", str(EPOCHS), "--patience", str(PATIENCE))
    return desk.launch(*SAME, *PLANS[plan], "--validation", validation, *limits)


def epochs_of(run: RunFolder) -> list[EpochDone]:
    return [each.event for each in run.events() if isinstance(each.event, EpochDone)]


def best_of(epochs: Sequence[EpochDone]) -> int:
    """The first epoch with the highest validation accuracy."""
    accuracies = [epoch.validation_accuracy or 0.0 for epoch in epochs]
    return accuracies.index(max(accuracies)) + 1


def weights_of(run: RunFolder) -> tuple[int, dict[str, str]]:
    """The checkpoint's epoch, and the sum of each file."""
    (epoch,) = {each.event.epoch for each in run.events() if isinstance(each.event, CheckpointWritten)}
    files = sorted(run.checkpoint_folder(epoch).glob("*.safetensors"))
    assert [path.name for path in (run.path / "checkpoints").iterdir()] == [str(epoch)]
    return epoch, {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


def told(run: RunFolder) -> list[tuple[float, float | None, float | None, bool]]:
    return [(epoch.loss, epoch.validation_accuracy, epoch.validation_loss, epoch.best) for epoch in epochs_of(run)]


def accuracy_of(run: RunFolder) -> float | None:
    result = run.result()
    assert result is not None
    assert result.status == "finished"
    return result.test_accuracy


def assert_ended_by_themselves(run: RunFolder) -> None:
    done = {each.node for each in run.events() if isinstance(each.event, Done)}
    assert done == set(run.plan().nodes)


@pytest.mark.parametrize(
    ("validation", "plans"),
    [
        pytest.param("sampled", ["single", "layer-split", "data-parallel"], marks=pytest.mark.thorough),
        ("exact", ["layer-split"]),
    ],
)
def test_a_run_ends_after_so_many_epochs_without_a_better_validation_and_keeps_the_best_weights(
    desk: Desk, validation: str, plans: list[str]
) -> None:
    runs = [stopping(desk, plan, validation) for plan in plans]
    for run in runs:
        epochs = epochs_of(run)
        best = best_of(epochs)
        assert 1 < best < len(epochs) < EPOCHS
        assert len(epochs) == best + PATIENCE
        for end in range(1, len(epochs)):  # it has not missed an earlier end
            assert end - best_of(epochs[:end]) < PATIENCE
        assert [epoch.best for epoch in epochs] == [best_of(epochs[:end]) == end for end in range(1, len(epochs) + 1)]
        assert_ended_by_themselves(run)
        assert weights_of(run)[0] == best
        assert (told(run), accuracy_of(run), losses(run)) == (told(runs[0]), accuracy_of(runs[0]), losses(runs[0]))
    up_to_the_best = desk.launch(
        *SAME, *PLANS[plans[-1]], "--validation", validation, "--epochs", str(best_of(epochs_of(runs[-1])))
    )
    assert weights_of(up_to_the_best) == weights_of(runs[-1])
    assert accuracy_of(up_to_the_best) == accuracy_of(runs[-1])
    assert told(up_to_the_best) == told(runs[-1])[: len(epochs_of(up_to_the_best))]


MONITORING_THE_LOSS = """
from picluster.nn import SageLayer, TrainingDefaults

TRAINING = TrainingDefaults(epochs=40, patience=2, monitor="loss", learning_rate=0.03)

def layers(*, features, classes, depth=2, hidden=16, dropout=0.5):
    return [SageLayer(features, hidden, dropout=dropout), SageLayer(hidden, classes, last=True)]
"""


def test_a_model_whose_author_monitors_the_loss_ends_by_the_loss_under_any_plan(desk: Desk, tmp_path: Path) -> None:
    file = tmp_path / "by_loss.py"
    file.write_text(MONITORING_THE_LOSS)
    words = (*GRAPH, "--model", str(file), "--fanout", "all", "--seed", "1")
    runs = [desk.launch(*words, *PLANS[plan]) for plan in ("single", "layer-split")]
    for run in runs:
        values = [epoch.validation_loss or 0.0 for epoch in epochs_of(run)]
        best = values.index(min(values)) + 1
        assert 1 < best < len(values) < EPOCHS
        assert len(values) == best + 2
        assert weights_of(run)[0] == best
        assert_ended_by_themselves(run)
    assert told(runs[0]) == told(runs[1])
    assert accuracy_of(runs[0]) == accuracy_of(runs[1])
