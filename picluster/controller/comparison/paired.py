"""Differences in test accuracy between rows, seed by seed, with their confidence. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import sqrt
from statistics import NormalDist, fmean, stdev

from picluster.schema.comparison import ComparedRow, PairedDifference

FEWEST = 4
"""Seeds that two rows must share: an interval of fewer says nothing."""
_NORMAL_QUANTILE = NormalDist().inv_cdf(0.975)


def differences(rows: Sequence[ComparedRow], alike: Sequence[Sequence[int]]) -> Iterator[PairedDifference]:
    """Differences of rows to the first of those that were tested on the same nodes (`alike`: their numbers)."""
    for group in alike:
        first, *others = (rows[number - 1] for number in group)
        for row in others:
            before, after = _accuracies(first), _accuracies(row)
            found = [after[drawn] - before[drawn] for drawn in sorted(before.keys() & after.keys())]
            if len(found) >= FEWEST and any(found):
                mean, reach = fmean(found), student_quantile(len(found) - 1) * stdev(found) / sqrt(len(found))
                yield PairedDifference(
                    row=row.number, base=first.number, count=len(found), mean=mean, low=mean - reach, high=mean + reach
                )


def difference_words(found: PairedDifference) -> str:
    """Difference in words: `Row 2 less row 1, test accuracy seed by seed: -0.12 points, 95 % interval …`."""
    mean, low, high = (f"{100 * value:+.2f}" for value in (found.mean, found.low, found.high))
    told = f"Row {found.row} less row {found.base}, test accuracy seed by seed: {mean} points"
    return f"{told}, 95 % interval {low} to {high} ({found.count} seeds)."


def student_quantile(degrees: int) -> float:
    """Quantile 0.975 of Student's t for `degrees` of freedom, at least 3, to 0.13 %.

    Abramowitz and Stegun, Handbook of Mathematical Functions, 26.7.5.
    """
    x = _NORMAL_QUANTILE
    terms: tuple[float, ...] = (
        x,
        (x**3 + x) / 4,
        (5 * x**5 + 16 * x**3 + 3 * x) / 96,
        (3 * x**7 + 19 * x**5 + 17 * x**3 - 15 * x) / 384,
        (79 * x**9 + 776 * x**7 + 1482 * x**5 - 1920 * x**3 - 945 * x) / 92160,
    )
    return sum(term / float(degrees) ** power for power, term in enumerate(terms))


def _accuracies(row: ComparedRow) -> dict[tuple[int, int], float]:
    """Test accuracies of the runs that have finished, by seed and split."""
    return {(run.seed, run.split): run.test_accuracy for run in row.finished_runs if run.test_accuracy is not None}
