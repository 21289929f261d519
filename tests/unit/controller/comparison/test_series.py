"""What launches came to: their own words, and the rows that they belong to."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from picluster.controller.comparison.child_launch import LaunchEnd
from picluster.controller.comparison.compared_run import read_entry
from picluster.controller.comparison.comparison import compare
from picluster.controller.comparison.rows_file import LaunchRow, RowLine
from picluster.controller.comparison.series import Attempt, PlannedRow, entries_of
from tests.unit.controller.compared import Shelf

FAILED = LaunchEnd(4, "", "plan       single over 1 node\nerror: pi1 lacks ray\n  fix: make setup EXTRAS=ray\n")


def an_attempt(shelf: Shelf, line: int, seed: int, name: str | None) -> Attempt:
    """With a run of that name, or one that failed before there was any."""
    folder = shelf.run(name or f"plan-of-{line}", seed=seed)
    row = LaunchRow(RowLine(Path("rows.txt"), line, ()), "sage", "cora", has_splits=False)
    end = LaunchEnd(0, f"run        {folder.path}\n", "") if name else FAILED
    return Attempt(PlannedRow(row, folder.plan()), seed, seed + 0.5, end, read_entry(folder) if name else None)


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    return Shelf(tmp_path / "runs")


def test_a_launch_that_failed_before_there_was_a_run_counts_in_the_row_of_its_line(shelf: Shelf) -> None:
    attempts = [an_attempt(shelf, 3, 0, None), an_attempt(shelf, 3, 1, "a")]
    (row,) = compare(entries_of(attempts)).rows
    assert [(run.seed, run.run, run.status, run.problem) for run in row.runs] == [
        (0, None, "failed", "pi1 lacks ray"),
        (1, "a", "finished", ""),
    ]


def test_a_line_of_which_nothing_ran_is_a_row_of_its_own(shelf: Shelf) -> None:
    attempts = [an_attempt(shelf, 1, 0, "a"), an_attempt(shelf, 2, 0, None), an_attempt(shelf, 3, 0, None)]
    found = compare(entries_of(attempts))
    assert [row.finished for row in found.rows] == [0, 0, 1]
    assert found.notes == (
        "Row 1 failed with seed 0: pi1 lacks ray.",
        "Row 2 failed with seed 0: pi1 lacks ray.",
    )
    assert [row.difference for row in found.rows][:2] == ["row=rows.txt:2", "row=rows.txt:3"]


def test_a_launch_tells_its_runs_and_why_it_failed() -> None:
    end = LaunchEnd(0, "run        runs/pairs\nepoch 1/1\nrun        runs/main\n", "")
    assert end.runs == [Path("runs/pairs"), Path("runs/main")]
    assert (FAILED.cause, FAILED.fix) == ("pi1 lacks ray", "make setup EXTRAS=ray")


@pytest.mark.parametrize(
    ("errors", "cause"),
    [
        ("Traceback …\n  File x\nValueError: a bug\n\n", "ValueError: a bug"),
        ("", "it ended with code 1"),
        ("error: first\nerror: last\n", "last"),
    ],
)
def test_a_launch_without_an_error_of_ours_tells_its_last_words(errors: str, cause: str) -> None:
    assert replace(FAILED, code=1, errors=errors).cause == cause
