"""`picluster runs`: what was trained here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from picluster.cli.terminal import options

if TYPE_CHECKING:
    from picluster.schema.report import RunSummary

EXAMPLES = """Examples:

picluster runs                       all runs, the newest first
picluster runs --tag first-try       those that were launched with this --tag
picluster runs --json | jq '.runs\\[0]'"""

Tag = Annotated[str | None, typer.Option(metavar="WORD", help="Only runs with this tag.")]


def runs(*, tag: Tag = None, as_json: options.Json = False) -> None:
    """List the runs in runs/, the newest first."""
    from picluster.controller.record.report import history
    from picluster.schema.record import to_json

    found = history(tag)
    if as_json:
        typer.echo(to_json(found, indent=True), nl=False)
    else:
        show_runs(found.runs)


def show_runs(found: tuple[RunSummary, ...]) -> None:
    """Two lines for each, since a name says model and data and may be long; a third where it did not finish."""
    from rich.console import Console
    from rich.text import Text

    from picluster.cli.show.words import plain

    console = Console(highlight=False, emoji=False)
    console.print(Text("run, tag\n" + _columns("status", "plan", "epochs", "validation", "test", "time"), style="dim"))
    for run in found:
        name, tag = Text(plain(run.run)), Text(f"  {plain(run.tag)}" if run.tag else "", style="cyan")
        console.print(name + tag, soft_wrap=True)
        console.print(Text(_values(run)), soft_wrap=True)
        if run.problem and run.status != "unreadable":
            console.print(Text(f"  {plain(run.problem)}"), soft_wrap=True)


def _values(run: RunSummary) -> str:
    from picluster.cli.show.words import NOTHING, duration, plain

    if run.status == "unreadable":
        return f"  {run.status:<10}  {plain(run.problem)}"
    accuracies = (run.best_validation_accuracy, run.test_accuracy)
    validation, test = (NOTHING if accuracy is None else f"{accuracy:.4f}" for accuracy in accuracies)
    time = NOTHING if run.seconds is None else duration(run.seconds)
    return _columns(run.status, run.strategy or "", f"{run.epochs}/{run.epochs_planned}", validation, test, time)


def _columns(status: str, plan: str, epochs: str, validation: str, test: str, time: str) -> str:
    return f"  {status:<10}  {plan:<13}  {epochs:>9}  {validation:>10}  {test:>6}  {time:>8}"
