"""A series of launches as it goes on: a line for each that has ended, and in a terminal what the next one is doing."""

import time
from collections.abc import Callable
from contextlib import nullcontext
from typing import Self

from rich.text import Text

from picluster.cli.show.progress import Lines
from picluster.cli.show.screen import Screen
from picluster.cli.show.words import plain
from picluster.controller.comparison.row_words import seconds_words
from picluster.controller.comparison.series import Attempt, PlannedRow, Series
from picluster.controller.record.run_folder import RunFolder
from picluster.controller.running.observer import Observer
from picluster.schema.graph import GraphMeta
from picluster.schema.plan import Plan
from picluster.schema.spec import Spec
from picluster.wording import counted, duration

_SPINNER = 3
"""Columns that the status needs beside its words."""


class SeriesView:
    """Writes to standard error."""

    def __init__(self, series: Series, tag: str) -> None:
        self._series, self._tag = series, tag
        self._total = len(series.rows) * series.seeds
        self._done = 0
        self._screen = Screen(stderr=True)
        self._began = time.monotonic()
        self._status = self._screen.status("checking the rows") if self._screen.can_draw else None

    def __enter__(self) -> Self:
        rows = self._series.rows
        count = f"{counted(len(rows), 'row')}, {counted(self._series.seeds, 'seed')}"
        self._screen.tell(plain(f"rows       {rows[0].line.file}: {count}; tag {self._tag}"))
        if self._status:
            self._status.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._status:
            self._status.stop()

    def begin(self, planned: PlannedRow, seed: int) -> "LaunchWords":
        """Announce the next launch; returns what takes its lines."""
        if self._done == 0:
            self._began = time.monotonic()
        head = f"run {self._done + 1}/{self._total}  {self._name(planned, seed)}"

        def hear(line: str) -> None:
            if self._status:
                told = plain(f"{head}{self._left()}  {' '.join(line.split())}")
                self._status.update(Text(told[: self._screen.width - _SPINNER]))

        hear("")
        return LaunchWords(hear)

    def done(self, attempt: Attempt) -> None:
        """Tell how a launch has ended."""
        self._done += 1
        run = attempt.entry.run if attempt.entry else None
        if attempt.problem or run is None:
            told = f"failed: {attempt.problem}"
        elif run.status == "finished":
            test = "" if run.test_accuracy is None else f"test {run.test_accuracy:.4f}, "
            told = f"{test}{seconds_words(run.seconds or 0.0)}"
        else:
            told = run.status
        number = f"{self._done:>{len(str(self._total))}}/{self._total}"
        self._screen.tell(plain(f"run {number}  {self._name(attempt.planned, attempt.seed)}: {told}"))

    def _name(self, planned: PlannedRow, seed: int) -> str:
        plan = planned.plan
        data = f"{planned.row.dataset}, " if len({row.dataset for row in self._series.rows}) > 1 else ""
        return f"{planned.row.model}, {data}{plan.strategy}, {plan.engine}, seed {seed}"

    def _left(self) -> str:
        """Estimate of the time left, once every row has been seen."""
        if self._done < len(self._series.rows):
            return ""
        each = (time.monotonic() - self._began) / self._done
        return f", about {duration(each * (self._total - self._done))} left"


class LaunchWords(Observer):
    """Tells of a launch by the lines that it would print."""

    def __init__(self, hear: Callable[[str], None]) -> None:
        super().__init__()
        self._hear = hear

    def running(self, folder: RunFolder, spec: Spec, plan: Plan, graph: GraphMeta) -> nullcontext[Lines]:  # noqa: ARG002
        """Take the lines of a run that begins."""
        return nullcontext(Lines(spec, plan, self._hear))
