"""What launches came to: their own words, and the rows that they belong to."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from picluster.controller.comparison.compared_run import read_entry
from picluster.controller.comparison.comparison import compare
from picluster.controller.comparison.rows_file import LaunchRow, RowLine
from picluster.controller.comparison.series import Attempt, PlannedRow, Series, entries_of
from picluster.controller.nodes.fan_out import NodesFailed
from picluster.controller.planning.request import LaunchRequest
from picluster.controller.running.observer import Observer
from picluster.errors import MissingError, RunFailed, Stopped
from tests.unit.controller.compared import Shelf
from tests.unit.controller.made import a_plan

FAILED = MissingError("pi1 lacks ray", fix="make setup EXTRAS=ray")


def an_attempt(shelf: Shelf, line: int, seed: int, name: str | None) -> Attempt:
    """With a run of that name, or one that failed before there was any."""
    folder = shelf.run(name or f"plan-of-{line}", seed=seed)
    row = LaunchRow(RowLine(Path("rows.txt"), line, ()), LaunchRequest(dataset="cora"))
    entry, error = (read_entry(folder), None) if name else (None, FAILED)
    return Attempt(PlannedRow(row, folder.plan()), seed, seed + 0.5, error, entry)


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


@pytest.mark.parametrize(
    ("error", "problem", "code"),
    [
        (FAILED, "pi1 lacks ray", 4),
        (NodesFailed({"pi1": FAILED, "pi2": RunFailed("it broke")}), "2 nodes cannot be used", 4),
        (ValueError("a bug\nin two lines"), "ValueError: a bug", 1),
        (None, "", 0),
    ],
)
def test_a_launch_without_a_run_tells_its_error_in_a_line(error: Exception, problem: str, code: int) -> None:
    row = LaunchRow(RowLine(Path("rows.txt"), 1, ()), LaunchRequest())
    attempt = Attempt(PlannedRow(row, a_plan()), 0, 0.0, error, None)
    assert (attempt.problem, attempt.exit_code) == (problem, code)


class Launches:
    """Stands in for `carry_out`: begins the runs of a shelf, then fails where it is told so."""

    def __init__(self, shelf: Shelf, errors: dict[int, Exception]) -> None:
        self._shelf, self._errors = shelf, errors
        self.asked: list[LaunchRequest] = []

    def __call__(self, request: LaunchRequest, observer: Observer) -> None:
        self.asked.append(request)
        number = len(self.asked)
        if number in self._errors:
            raise self._errors[number]
        observer.folders.append(self._shelf.run(f"before-{number}", model="node_pairs"))
        observer.folders.append(self._shelf.run(f"run-{number}", seed=request.seed))


@pytest.fixture
def series(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[Series, Launches]]:
    def run(errors: dict[int, Exception]) -> tuple[Series, Launches]:
        launches = Launches(shelf, errors)
        monkeypatch.setattr("picluster.controller.comparison.series.carry_out", launches)
        rows = [LaunchRow(RowLine(Path("rows.txt"), line, ()), LaunchRequest(pretrain=True)) for line in (1, 2)]
        series = Series(rows=rows, seeds=2)
        with suppress(Stopped):
            series.run([PlannedRow(row, a_plan()) for row in rows], begin=lambda *_: Observer(), done=lambda _: None)
        return series, launches

    return run


def test_every_row_is_launched_with_every_seed_whatever_becomes_of_the_others(
    series: Callable[..., tuple[Series, Launches]],
) -> None:
    made, launches = series({2: ValueError("a bug"), 3: FAILED})
    assert [(each.seed, each.pretrain) for each in launches.asked] == [(0, True)] * 2 + [(1, False)] * 2
    assert [each.entry and each.entry.run.run for each in made.attempts] == ["run-1", None, None, "run-4"]


def test_where_somebody_stops_a_launch_no_other_begins(series: Callable[..., tuple[Series, Launches]]) -> None:
    made, launches = series({2: Stopped("stopped by Ctrl-C", by="Ctrl-C")})
    assert len(launches.asked) == 2
    assert [each.entry and each.entry.run.run for each in made.attempts] == ["run-1"]
