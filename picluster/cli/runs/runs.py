"""`picluster runs`: what was trained here."""

from __future__ import annotations

import sys
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from picluster.cli.show.words import NOTHING, fraction, plain, print_record
from picluster.cli.terminal import options
from picluster.schema.report import History, RunSummary
from picluster.wording import duration

if TYPE_CHECKING:
    from rich.text import Text

EXAMPLES = """Examples:

picluster runs                       all runs, the newest first
picluster runs --limit 5             the five newest
picluster runs --tag first-try       those that were launched with this --tag
picluster runs --json | jq '.runs\\[0]'"""

Tag = Annotated[str | None, typer.Option(metavar="WORD", help="Only runs with this tag.")]
Limit = Annotated[
    int | None,
    typer.Option(
        metavar="NUMBER", help="Only so many, the newest. (default: as the terminal has room, elsewhere all)", min=1
    ),
]
_HEADS = ("status", "plan", "epochs", "validation", "test", "time")
_AROUND_LINES = 4
"""Lines above and below the runs: heads, how many more there are, the prompt."""


def runs(*, tag: Tag = None, limit: Limit = None, as_json: options.Json = False) -> None:
    """List the runs in runs/, the newest first."""
    from picluster.controller.record.report import history

    found = history(tag)
    chosen = History(runs=found.runs[:limit])
    print_record(chosen, partial(_show, count=len(found.runs), limit=limit), as_json=as_json)


def _show(found: History, *, count: int, limit: int | None) -> None:
    """A line for each where the width allows, else two, and a further one where it did not finish.

    Without a limit, a terminal shows as many as it has room for, so that the newest stay visible.
    """
    from rich.cells import cell_len
    from rich.text import Text

    from picluster.cli.show.screen import Screen

    screen = Screen()
    longest = max(cell_len(_name(run).plain) for run in found.runs)
    is_wide = longest + len(_columns(*_HEADS)) <= screen.width
    if is_wide:
        screen.print(f"{'run, tag':<{longest}}{_columns(*_HEADS)}", style="dim")
    else:
        screen.print(f"run, tag\n{_columns(*_HEADS)}", style="dim")
    room = screen.height - _AROUND_LINES if limit is None and screen.is_terminal else sys.maxsize
    shown = 0
    for run in found.runs:
        name = _name(run)
        name.pad_right(longest - cell_len(name.plain) if is_wide else 0)
        lines = [name.append(_values(run))] if is_wide else [name, Text(_values(run))]
        lines += [Text(f"  {plain(run.problem)}")] if run.problem and run.status != "unreadable" else []
        room -= len(lines)
        if shown and room < 0:
            break
        shown += 1
        for line in lines:
            screen.tell(line)
    if shown < count:
        screen.print(f"… and {count - shown} older", style="dim")


def _name(run: RunSummary) -> Text:
    from rich.text import Text

    name = Text(plain(run.run))
    return name.append(f"  {plain(run.tag)}", style="cyan") if run.tag else name


def _values(run: RunSummary) -> str:
    if run.status == "unreadable":
        return f"  {run.status:<10}  {plain(run.problem)}"
    validation, test = fraction(run.best_validation_accuracy), fraction(run.test_accuracy)
    time = NOTHING if run.seconds is None else duration(run.seconds)
    return _columns(run.status, run.strategy or "", f"{run.epochs}/{run.epochs_planned}", validation, test, time)


def _columns(status: str, plan: str, epochs: str, validation: str, test: str, time: str) -> str:
    return f"  {status:<10}  {plan:<13}  {epochs:>9}  {validation:>10}  {test:>6}  {time:>8}"
