"""Early stopping: which epoch is the best, and which the last."""

from math import inf, nan

import pytest
from hypothesis import given
from hypothesis import strategies as st

from picluster.schema.spec import Adam, ModelChoice, Monitor, Spec
from picluster.schema.state import JudgeState
from picluster.worker.roles.judgement import Judgement, Score, no_number

EPOCHS = 12
ALWAYS = 99


def spec_of(patience: int | None = None, monitor: Monitor = "accuracy", epochs: int = EPOCHS) -> Spec:
    return Spec(
        dataset="any",
        model=ModelChoice(name="any", depth=1, options={}),
        fanout=(2,),
        batch_size=2,
        micro_batches=1,
        epochs=epochs,
        seed=0,
        optimizer=Adam(learning_rate=0.1, weight_decay=(0.0,)),
        patience=patience,
        monitor=monitor,
    )


def judgement(patience: int | None, monitor: Monitor = "accuracy", epochs: int = EPOCHS) -> Judgement:
    return Judgement(spec_of(patience, monitor, epochs), JudgeState())


def verdicts(judge: Judgement, scores: list[Score | None]) -> tuple[list[int], int | None]:
    """The epochs that were the best when they came, and the one after which it ends."""
    best = []
    for epoch, score in enumerate(scores, start=1):
        verdict = judge.of(epoch, score)
        if verdict.best:
            best.append(epoch)
        if verdict.last:
            return best, epoch
    return best, None


def by_accuracy(*accuracies: float) -> list[Score | None]:
    return [Score(accuracy, loss=float(epoch)) for epoch, accuracy in enumerate(accuracies)]


def by_loss(*losses: float) -> list[Score | None]:
    return [Score(accuracy=1 - epoch / ALWAYS, loss=loss) for epoch, loss in enumerate(losses)]


def test_the_higher_accuracy_is_better_whatever_the_loss() -> None:
    assert verdicts(judgement(None), by_accuracy(0.1, 0.3, 0.2, 0.4)) == ([1, 2, 4], None)


def test_the_lower_loss_is_better_whatever_the_accuracy() -> None:
    assert verdicts(judgement(None, "loss"), by_loss(2.0, 1.0, 1.5, 0.5)) == ([1, 2, 4], None)


@pytest.mark.parametrize("monitor", ["accuracy", "loss"])
def test_as_good_is_not_better_the_earlier_epoch_stays_the_best(monitor: Monitor) -> None:
    scores: list[Score | None] = [Score(0.5, 0.5)] * 4
    assert verdicts(judgement(3, monitor), scores) == ([1], 4)


@pytest.mark.parametrize("monitor", ["accuracy", "loss"])
def test_without_patience_all_epochs_are_made(monitor: Monitor) -> None:
    scores: list[Score | None] = [Score(0.5, 0.5)] * EPOCHS
    assert verdicts(judgement(None, monitor), scores) == ([1], EPOCHS)


def test_a_better_epoch_begins_the_wait_anew() -> None:
    scores = by_accuracy(0.1, 0.0, 0.0, 0.2, 0.0, 0.0, 0.0, 0.9)
    assert verdicts(judgement(3), scores) == ([1, 4], 7)


def test_patience_of_one_ends_after_the_first_epoch_that_is_no_better() -> None:
    assert verdicts(judgement(1), by_accuracy(0.1, 0.2, 0.2, 0.3)) == ([1, 2], 3)


def test_the_last_epoch_ends_it_however_patient() -> None:
    assert verdicts(judgement(ALWAYS, epochs=2), by_accuracy(0.1, 0.2, 0.3)) == ([1, 2], 2)


def test_without_validation_nodes_every_epoch_is_the_best_and_none_ends_it_early() -> None:
    assert verdicts(judgement(1), [None] * EPOCHS) == (list(range(1, EPOCHS + 1)), EPOCHS)


@pytest.mark.parametrize("odd", [nan, inf])
def test_the_first_epoch_is_the_best_so_far_even_with_a_loss_that_is_no_number(odd: float) -> None:
    assert verdicts(judgement(3, "loss"), by_loss(odd, odd, 2.0, odd, 1.0)) == ([1, 3, 5], None)
    assert verdicts(judgement(3, "loss"), by_loss(odd, odd, odd, odd, odd)) == ([1], 4)


@given(
    values=st.lists(st.integers(0, 5), min_size=1, max_size=EPOCHS),
    patience=st.integers(1, 6),
    monitor=st.sampled_from(["accuracy", "loss"]),
)
def test_it_ends_patience_epochs_after_the_first_of_the_best(
    values: list[int], patience: int, monitor: Monitor
) -> None:
    scores = by_accuracy(*values) if monitor == "accuracy" else by_loss(*(-value for value in values))
    best, end = verdicts(judgement(patience, monitor), scores)
    seen = values[:end]
    assert best[-1] == seen.index(max(seen)) + 1
    assert best == [epoch for epoch in range(1, len(seen) + 1) if all(v < seen[epoch - 1] for v in seen[: epoch - 1])]
    waits = len(seen) - best[-1]
    assert waits <= patience
    assert (end is not None) == (waits == patience or len(values) == EPOCHS)


@pytest.mark.parametrize("loss", [nan, inf])
def test_a_loss_that_is_no_number_is_laid_on_the_learning_rate_only_after_something_was_learnt(loss: float) -> None:
    first, later = (no_number(loss, epoch, step, spec_of()) for epoch, step in ((1, 1), (1, 2)))
    assert f"the loss became {loss} in step 1 of epoch 1, before anything was learnt" in str(first)
    assert "very large features" in first.fix
    assert "the learning rate is no cause" in first.fix
    assert "lower the learning rate: it is 0.1, try --learning-rate 0.01" in later.fix
    assert no_number(loss, 2, 1, spec_of()).fix == later.fix
