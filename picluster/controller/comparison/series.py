"""Launches one after the other: every row with the first seed, then every row with the next, and what they came to."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from picluster.controller.comparison.child_launch import EndSignals, LaunchEnd, launch
from picluster.controller.comparison.compared_run import Entry, kind_of_plan, read_entry
from picluster.controller.record.run_folder import RunFolder
from picluster.errors import DataError, InputError, MissingError, PiclusterError, RunFailed, Stopped
from picluster.schema.comparison import ComparedRun
from picluster.schema.plan import Plan
from picluster.schema.record import from_json

if TYPE_CHECKING:
    from picluster.controller.comparison.rows_file import LaunchRow

_ERRORS = {error.exit_code: error for error in (InputError, DataError, MissingError, RunFailed)}


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
    end: LaunchEnd
    entry: Entry | None
    """Its run; None where there was none yet, or only that of pre-training."""

    @property
    def problem(self) -> str:
        """Why it failed; empty where it did not."""
        if self.entry and self.entry.run.status != "running":
            return self.entry.run.problem
        return self.end.cause if self.end.code else ""


@dataclass(frozen=True, kw_only=True)
class Series:
    """What is to be launched."""

    rows: Sequence[LaunchRow]
    seeds: int
    tag: str
    inventory: Path | None
    signals: EndSignals

    def plan(self) -> list[PlannedRow]:
        """Each row's plan, by a dry run: what cannot be launched is found before anything runs.

        Raises:
            PiclusterError: of the kind that the launch itself would raise, with the row's place.
            Stopped: a signal came.
        """
        return [PlannedRow(row, self._dry_run(row)) for row in self.rows]

    def run(
        self,
        planned: Sequence[PlannedRow],
        *,
        begin: Callable[[PlannedRow, int], Callable[[str], None]],
        done: Callable[[Attempt], None],
    ) -> list[Attempt]:
        """Launch after launch, until all are done or a signal comes.

        `begin` is told which one is next, and gives who hears what it says; `done` is told how it ended.
        """
        attempts: list[Attempt] = []
        for seed in range(self.seeds):
            for each in planned:
                if self.signals.came:
                    return attempts
                attempt = self._attempt(each, seed, begin(each, seed))
                if attempt.entry or not self.signals.came:
                    attempts.append(attempt)
                    done(attempt)
        return attempts

    def _attempt(self, planned: PlannedRow, seed: int, hear: Callable[[str], None]) -> Attempt:
        started = time.time()
        end = launch(planned.row.words(seed, tag=self.tag, inventory=self.inventory), self.signals, hear)
        return Attempt(planned, seed, started, end, _entry(end, planned.row.model))

    def _dry_run(self, row: LaunchRow) -> Plan:
        words = row.words(0, tag=self.tag, inventory=self.inventory)
        end = launch([*words, "--dry-run"], self.signals)
        if self.signals.came:
            raise Stopped(f"{self.signals.came.name} came; nothing has run")
        if end.code:
            raise _ERRORS.get(end.code, PiclusterError)(f"{row.line.place}: {end.cause}", fix=end.fix)
        return from_json(Plan, end.output, source=row.line.place)


def entries_of(attempts: Sequence[Attempt]) -> list[Entry]:
    """What they came to. Failures without a run belong to the row that the other launches of their line make."""
    kinds = {attempt.planned.row.line: attempt.entry.kind for attempt in attempts if attempt.entry}
    entries = []
    for attempt in attempts:
        row = attempt.planned.row
        kind = kinds.get(row.line) or kind_of_plan(
            attempt.planned.plan, model=row.model, dataset=row.dataset, learnt=(("row", row.line.place),)
        )
        entries.append(attempt.entry or Entry(kind, _failed(attempt)))
    return entries


def _entry(end: LaunchEnd, model: str) -> Entry | None:
    """The run that was asked for: pre-training is that of another model."""
    for path in reversed(end.runs):
        folder = RunFolder(path)
        try:
            if folder.run().spec.model.name == model:
                entry = read_entry(folder)
                return entry if entry.run.status != "running" else _killed(entry, end)
        except PiclusterError:
            continue
    return None


def _killed(entry: Entry, end: LaunchEnd) -> Entry:
    """The launch has ended, and yet there is no result."""
    return Entry(entry.kind, msgspec.structs.replace(entry.run, status="failed", problem=end.cause), entry.place)


def _failed(attempt: Attempt) -> ComparedRun:
    return ComparedRun(
        run=None,
        seed=attempt.seed,
        split=attempt.seed if attempt.planned.row.has_splits else 0,
        status="failed",
        problem=attempt.end.cause,
        started=attempt.started,
    )
