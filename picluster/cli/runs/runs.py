"""`picluster runs`: what was trained here."""

from typing import Annotated

import typer

from picluster.cli.show.words import NOTHING, fraction, plain, print_record
from picluster.cli.terminal import options
from picluster.schema.report import History, RunSummary
from picluster.wording import duration

EXAMPLES = """Examples:

picluster runs                       all runs, the newest first
picluster runs --tag first-try       those that were launched with this --tag
picluster runs --json | jq '.runs\\[0]'"""

Tag = Annotated[str | None, typer.Option(metavar="WORD", help="Only runs with this tag.")]


def runs(*, tag: Tag = None, as_json: options.Json = False) -> None:
    """List the runs in runs/, the newest first."""
    from picluster.controller.record.report import history

    print_record(history(tag), _show, as_json=as_json)


def _show(found: History) -> None:
    """Two lines for each, since a name says model and data and may be long; a third where it did not finish."""
    from rich.text import Text

    from picluster.cli.show.screen import Screen

    screen = Screen()
    screen.print("run, tag\n" + _columns("status", "plan", "epochs", "validation", "test", "time"), style="dim")
    for run in found.runs:
        screen.tell(plain(run.run), Text(f"  {plain(run.tag)}" if run.tag else "", style="cyan"))
        screen.tell(_values(run))
        if run.problem and run.status != "unreadable":
            screen.tell(f"  {plain(run.problem)}")


def _values(run: RunSummary) -> str:
    if run.status == "unreadable":
        return f"  {run.status:<10}  {plain(run.problem)}"
    validation, test = fraction(run.best_validation_accuracy), fraction(run.test_accuracy)
    time = NOTHING if run.seconds is None else duration(run.seconds)
    return _columns(run.status, run.strategy or "", f"{run.epochs}/{run.epochs_planned}", validation, test, time)


def _columns(status: str, plan: str, epochs: str, validation: str, test: str, time: str) -> str:
    return f"  {status:<10}  {plan:<13}  {epochs:>9}  {validation:>10}  {test:>6}  {time:>8}"
