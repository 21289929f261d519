"""Launches one after the other: every row with the first seed, then every row with the next, and what they came to."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from msgspec.structs import replace

from picluster.controller.comparison.compared_run import Entry, kind_of_plan, read_entry
from picluster.controller.running.detection.diagnosis import one_line
from picluster.controller.running.observer import Observer
from picluster.controller.running.run import carry_out, plan_only
from picluster.errors import PiclusterError, Stopped
from picluster.schema.comparison import ComparedRun

if TYPE_CHECKING:
    from picluster.controller.comparison.rows_file import LaunchRow
    from picluster.controller.record.run_folder import RunFolder
    from picluster.schema.plan import Plan


@dataclass(frozen=True)
class PlannedRow:
    """A row that can be launched."""

    row: LaunchRow
    plan: Plan


@dataclass(frozen=True)
class Attempt:
    """One launch, and how it ended."""

    planned: PlannedRow
    seed: int
    started: float
    """Seconds since 1970."""
    error: Exception | None
    """The reason why it failed or was stopped."""
    entry: Entry | None
    """Its run; None where there was none yet, or only that of pre-training."""

    @property
    def problem(self) -> str:
        """Why the run failed, or the launch before there was one; empty where neither did."""
        return self.entry.run.problem if self.entry else _cause(self.error)

    @property
    def exit_code(self) -> int:
        """The exit code that the launch would have had."""
        if self.error is None:
            return 0
        return self.error.exit_code if isinstance(self.error, PiclusterError) else PiclusterError.exit_code


@dataclass(frozen=True, kw_only=True)
class Series:
    """Rows to launch, each with several seeds."""

    rows: Sequence[LaunchRow]
    seeds: int
    attempts: list[Attempt] = field(default_factory=list)
    """Launches that have ended, in order."""

    def plan(self) -> list[PlannedRow]:
        """Plan each row: what cannot be launched is found before anything runs.

        PiclusterError of the kind that the launch itself would raise, with the row's place.
        """
        planned = []
        for row in self.rows:
            try:
                planned.append(PlannedRow(row, plan_only(row.with_seed(0), Observer())))
            except Stopped:
                raise
            except PiclusterError as error:
                error.what = f"{row.line.place}: {error.what}"
                raise
        return planned

    def run(
        self,
        planned: Sequence[PlannedRow],
        *,
        begin: Callable[[PlannedRow, int], Observer],
        done: Callable[[Attempt], None],
    ) -> None:
        """Launch one after the other; a failure does not stop the others.

        `begin` is told which one is next, and gives who observes it; `done` is told how it ended. Stopped where
        somebody asked to end: `attempts` has what was launched by then.
        """
        for seed in range(self.seeds):
            for each in planned:
                observer = begin(each, seed)
                started, error = time.time(), None  # type: float, Exception | None
                try:
                    carry_out(each.row.with_seed(seed), observer)
                except Exception as failure:  # noqa: BLE001  the others are launched nevertheless
                    error = failure
                attempt = Attempt(each, seed, started, error, _entry(observer.folders, each.row.model, error))
                if attempt.entry or not isinstance(attempt.error, Stopped):
                    self.attempts.append(attempt)
                    done(attempt)
                if isinstance(attempt.error, Stopped):
                    raise attempt.error


def entries_of(attempts: Sequence[Attempt]) -> list[Entry]:
    """Entries of launches. Failures without a run belong to the row that the other launches of their line make."""
    kinds = {attempt.planned.row.line: attempt.entry.kind for attempt in attempts if attempt.entry}
    entries = []
    for attempt in attempts:
        row = attempt.planned.row
        kind = kinds.get(row.line) or kind_of_plan(
            attempt.planned.plan, model=row.model, dataset=row.dataset, learnt=(("row", row.line.place),)
        )
        failed = ComparedRun(
            run=None,
            seed=attempt.seed,
            split=attempt.seed if row.has_splits else 0,
            status="failed",
            problem=_cause(attempt.error),
            started=attempt.started,
        )
        entries.append(attempt.entry or Entry(kind, failed))
    return entries


def _entry(folders: Sequence[RunFolder], model: str, error: Exception | None) -> Entry | None:
    """The run that was asked for: pre-training is that of another model."""
    for folder in reversed(folders):
        with suppress(PiclusterError):
            if folder.run().spec.model.name == model:
                entry = read_entry(folder)
                if entry.run.status == "running":  # the launch has ended, and yet there is no result
                    run = replace(entry.run, status="failed", problem=_cause(error))
                    return Entry(entry.kind, run, entry.place)
                return entry
    return None


def _cause(error: Exception | None) -> str:
    """Why a launch failed, in a line; empty where it did not."""
    if isinstance(error, PiclusterError):
        return error.what.splitlines()[0]
    return one_line(error) if error else ""
