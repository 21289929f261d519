"""Differences in accuracy between rows, seed by seed."""

from __future__ import annotations

from math import sqrt
from pathlib import Path

import pytest
from scipy.stats import t, ttest_rel  # type: ignore[import-untyped]

from picluster.controller.comparison.comparison import compare_all
from picluster.controller.comparison.paired import student_quantile
from tests.unit.controller.compared import Shelf

BEFORE = (0.5, 0.6, 0.7, 0.8, 0.9)
AFTER = (0.51, 0.6, 0.73, 0.79, 0.92)


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    return Shelf(tmp_path / "runs")


def add_rows(shelf: Shelf, *, seeds: int, after: tuple[float, ...] = AFTER, dataset: str = "cora") -> None:
    for seed in range(seeds):
        shelf.run(f"a{seed}", seed=seed, test_accuracy=BEFORE[seed])
    for seed in reversed(range(seeds)):
        other = ("labels",) if dataset != "cora" else ()
        shelf.run(f"b{seed}", seed=seed, hidden=64, test_accuracy=after[seed], dataset=dataset, other_arrays=other)


def test_rows_are_compared_seed_by_seed_with_the_interval_of_the_paired_test(shelf: Shelf) -> None:
    add_rows(shelf, seeds=5)
    (found,) = compare_all(root=shelf.root).differences
    expected = ttest_rel(AFTER, BEFORE).confidence_interval(0.95)
    assert (found.row, found.base, found.count) == (2, 1, 5)
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), rel=1e-3)
    told = "Row 2 less row 1, test accuracy seed by seed: +1.00 points, 95 % interval -0.96 to +2.96 (5 seeds)."
    assert compare_all(root=shelf.root).notes[-1] == told


@pytest.mark.parametrize(
    "rows", [{"seeds": 3}, {"seeds": 5, "after": BEFORE}, {"seeds": 5, "dataset": "pubmed"}], ids=str
)
def test_nothing_is_said_of_few_seeds_of_equal_accuracies_and_of_other_nodes(
    shelf: Shelf, rows: dict[str, object]
) -> None:
    add_rows(shelf, **rows)  # type: ignore[arg-type]
    assert compare_all(root=shelf.root).differences == ()


@pytest.mark.parametrize("degrees", [3, 4, 9, 19, 99])
def test_the_quantile_is_students(degrees: int) -> None:
    assert student_quantile(degrees) == pytest.approx(t.ppf(0.975, degrees), rel=1.5e-3)
    assert student_quantile(degrees) > sqrt(3.84)
