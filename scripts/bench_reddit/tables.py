"""The results as text, for a terminal and for docs/benchmarks.md."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from picluster.cli.show.screen import plain_table
from picluster.cli.show.words import NOTHING, mebibytes
from scripts.bench_reddit.records import GOAL, Range, Results, RowSummary

if TYPE_CHECKING:
    from rich.table import Table

_WIDTH = 118
_SECTION = re.compile(r"(?<=^## Results\n).*?(?=^## )", re.MULTILINE | re.DOTALL)
_MEGABYTE = 1e6


def shown(results: Results) -> str:
    """Head, two tables, and the rows that are missing."""
    screen = Console(file=io.StringIO(), width=_WIDTH, highlight=False, markup=False, emoji=False)
    for line in head(results):
        screen.print(line)
    screen.print()
    measured = [row for row in results.rows if row.runs]
    screen.print(_costs(measured))
    screen.print()
    screen.print(_learnt(measured))
    screen.print()
    for row in measured:
        screen.print(f"{row.row:<14} {row.title}")
    for row in results.rows:
        if not row.runs:
            screen.print(f"{row.row:<14} {row.title}: MISSING, {row.problem}")
    assert isinstance(screen.file, io.StringIO)
    return "\n".join(line.rstrip() for line in screen.file.getvalue().splitlines()) + "\n"


def head(results: Results) -> list[str]:
    """Tell machine, versions, graph and task, a line each."""
    machine, settings = results.machine, results.settings
    versions = ", ".join(f"{name} {version}" for name, version in machine.rivals.items())
    length = f"{settings.epochs} epochs" if settings.epochs else f"{settings.steps} training steps"
    busy = max((each.elsewhere_cores or 0.0 for each in results.measures), default=0.0)
    shared = f"all processes of a row share {settings.cores} of the cores"
    size = f"{machine.cores} cores, {mebibytes(machine.memory_bytes)} MiB"
    return [
        f"machine   {machine.processor}, {size}, Linux {machine.kernel}; {shared}",
        f"versions  picluster {machine.picluster}, Python {machine.python}; rivals: {versions}",
        f"graph     {settings.dataset}: {results.nodes:,} nodes, {results.edges:,} edges; {results.source}",
        f"a row     {length}, median (least–most) of up to {results.repeats} runs; rows took turns",
        f"quiet?    at most {busy:.2f} cores were kept busy by others while steps were measured",
    ]


def written_into(page: Path, results: Results, picture: str) -> None:
    """Replace the section "Results" of a page. ValueError where it has none."""
    text = page.read_text()
    if not _SECTION.search(text):
        raise ValueError(f"{page} has no place for the table")
    block = f"\n![Bars of processor time, time and memory for each row]({picture})\n\n```text\n{shown(results)}```\n\n"
    page.write_text(_SECTION.sub(lambda _: block, text))


def _costs(rows: list[RowSummary]) -> Table:
    heads = ["CPU s a step", "of single's", "wall s a step", "sent MB a step"]
    table = plain_table(["training steps"], heads)
    for row in rows:
        sent = _spread(row.sent_bytes, lambda size: f"{size / _MEGABYTE:,.1f}")
        times = _spread(row.times_single, lambda times: f"{times:.2f}")
        table.add_row(row.row, _spread(row.cpu_seconds, _seconds), times, _spread(row.wall_seconds, _seconds), sent)
    return table


def _learnt(rows: list[RowSummary]) -> Table:
    heads = ["each process, MiB anonymous", "largest with files", "test accuracy", f"s to {GOAL}"]
    table = plain_table(["memory and accuracy"], heads)
    for row in rows:
        each = " / ".join(mebibytes(peak.anonymous_bytes) for peak in row.peaks)
        largest = mebibytes(max((peak.resident_bytes for peak in row.peaks), default=None))
        accuracy = _spread(row.test_accuracy, lambda share: f"{share:.4f}")
        to_goal = _spread(row.seconds_to_goal, lambda seconds: f"{seconds:,.0f}")
        table.add_row(row.row, each, largest, accuracy, to_goal)
    return table


def _spread(found: Range | None, words: Callable[[float], str]) -> str:
    if found is None:
        return NOTHING
    middle, least, most = words(found.median), words(found.least), words(found.most)
    return middle if least == most else f"{middle} ({least}–{most})"


def _seconds(value: float) -> str:
    return f"{value:.3f}"
