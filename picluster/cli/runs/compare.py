"""`picluster compare`: several runs side by side, read, or launched and then read."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from picluster.cli.show.words import print_record
from picluster.cli.terminal import complete, options
from picluster.controller.planning.request import LONGEST_TAG, LaunchRequest, spelt
from picluster.errors import InputError, Stopped

if TYPE_CHECKING:
    from picluster.controller.comparison.rows_file import LaunchRow, RowLine
    from picluster.schema.comparison import Comparison

EXAMPLES = """Examples:

picluster compare ymbu cvxt              these two runs

picluster compare --tag cora-abcd        those that were launched with this --tag

picluster compare --rows comparisons/cora.txt --seeds 10 --chart cora.png

picluster compare --rows rows.txt --with "--cores 2 --epochs 5\""""

_RUNNING = "The rows to run first"
_OURS = {
    **dict.fromkeys(("seed", "split_seed"), "--seeds says how many"),
    **dict.fromkeys(("tag", "inventory"), "give it to picluster compare, for all rows"),
    **dict.fromkeys(("rerun", "resume", "dry_run", "detach"), "leave it out: a row says what is learnt, and runs"),
}
"""Parameters of `launch` that no row may have, and what to do instead."""

Runs = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="RUN…",
        help="Names of runs, their last four letters, or their folders; all in runs/ by default.",
        autocompletion=complete.runs,
    ),
]
Tag = Annotated[
    str | None,
    typer.Option(metavar="WORD", help="Only runs with this tag; of --rows: their tag. (default: a new one)"),
]
Chart = Annotated[Path | None, typer.Option(metavar="FILE", help="Draw a chart, too: .png, .svg or .pdf.")]
Rows = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="Run these first: one row a line, as after `picluster launch`; # comments.",
        rich_help_panel=_RUNNING,
    ),
]
Seeds = Annotated[
    int | None,
    typer.Option(
        help="Runs of each row, with the seeds 0, 1 …; of cora-linqs each draws a split, too. (default: 1)",
        min=1,
        rich_help_panel=_RUNNING,
    ),
]
Inventory = Annotated[
    Path | None,
    typer.Option(
        "--inventory",
        "-i",
        help="Inventory of all rows. (default: inventory/hosts.yml, else local.yml)",
        autocompletion=complete.inventories,
        rich_help_panel=_RUNNING,
    ),
]
With = Annotated[
    str | None,
    typer.Option("--with", metavar="OPTIONS", help="Further options for all rows.", rich_help_panel=_RUNNING),
]


def compare(
    runs: Runs = None,
    *,
    tag: Tag = None,
    chart: Chart = None,
    as_json: options.Json = False,
    rows: Rows = None,
    seeds: Seeds = None,
    inventory: Inventory = None,
    further: With = None,
) -> None:
    """Put runs side by side: accuracies, losses, time, bytes and memory, with their spread over seeds.

    Runs that learnt the same but for their seeds make one row. With --rows they are launched first.
    """
    from picluster.controller.comparison.comparison import compare_all, compare_named

    if chart is not None:
        from picluster.controller.drawing.style import check_picture

        check_picture(chart, "--chart")
    if rows is not None:
        if runs:
            raise InputError("RUN… and --rows do not go together", fix="name runs to read, or a file of rows to run")
        _run(rows, further or "", seeds or 1, tag, inventory, chart, as_json=as_json)
        return
    for option, value in {"--seeds": seeds, "--inventory": inventory, "--with": further}.items():
        if value is not None:
            raise InputError(f"{option} goes with --rows: runs that are there are only read", fix="name a file of rows")
    if runs and tag is not None:
        raise InputError("RUN… and --tag do not go together", fix="leave one of them out")
    _show(compare_named(runs) if runs else compare_all(tag), chart, as_json=as_json)


def _run(
    file: Path, further: str, seeds: int, tag: str | None, inventory: Path | None, chart: Path | None, *, as_json: bool
) -> None:
    """Launch the rows, and show what they came to, also when they were stopped. Exits where none has finished."""
    from picluster.cli.show.series_view import SeriesView
    from picluster.cli.terminal.interrupts import EndSignals, Heedful
    from picluster.controller.comparison.comparison import compare as compared
    from picluster.controller.comparison.rows_file import read_rows
    from picluster.controller.comparison.series import Series, entries_of
    from picluster.project import find

    given = {"tag": _new_tag(file) if tag is None else tag, **({"inventory": inventory} if inventory else {})}
    tag = LaunchRequest.of(given).tag
    lines = read_rows(file if file.is_absolute() else find(str(file)), further)
    series = Series(rows=[_row(line, given) for line in lines], seeds=seeds)
    with suppress(Stopped), EndSignals() as signals, SeriesView(series, tag) as view:
        series.run(
            series.plan(),
            begin=lambda row, seed: Heedful(view.begin(row, seed), signals.check),
            done=view.done,
        )
    if series.attempts:
        _show(compared(entries_of(series.attempts), tag=tag), chart, as_json=as_json)
    if signals.came and not series.attempts:
        raise Stopped(f"{signals.came.name} came; nothing has run")
    if signals.came:
        raise Stopped(f"{signals.came.name} came", fix=f"see what was run: picluster compare --tag {shlex.quote(tag)}")
    if not any(attempt.entry and attempt.entry.run.status == "finished" for attempt in series.attempts):
        raise typer.Exit(series.attempts[-1].exit_code)


def _row(line: RowLine, ours: Mapping[str, Any]) -> LaunchRow:
    """The launches that a line asks for. InputError where it is none, or says what `compare` says itself."""
    from picluster.cli.runs.launch import given_options, launch
    from picluster.controller.comparison.rows_file import LaunchRow

    app = typer.Typer(add_completion=False)
    app.command()(launch)
    try:
        given = given_options(typer.main.get_command(app).make_context("launch", list(line.words)))
    except typer.TyperException as error:
        raise InputError(f"{line.place}: {error.format_message()}", fix="see picluster launch --help") from error
    for name in [each for each in _OURS if each in given]:
        raise InputError(f"{line.place}: {spelt(name)} cannot stand in a row", fix=_OURS[name])
    return LaunchRow(line, LaunchRequest.of({**given, **ours}))


def _new_tag(file: Path) -> str:
    """Such as `cora-qxjr`."""
    from picluster.controller.record.all_runs import new_letters
    from picluster.controller.record.run_folder import LETTERS

    stem = "".join(letter for letter in file.stem if letter.isprintable() and not letter.isspace())
    return f"{stem[: LONGEST_TAG - LETTERS - 1] or 'rows'}-{new_letters()}"


def _show(found: Comparison, chart: Path | None, *, as_json: bool) -> None:
    from picluster.cli.show.comparison_tables import show_comparison

    print_record(found, show_comparison, as_json=as_json)
    if chart is not None:
        from picluster.controller.comparison.chart import draw_comparison

        draw_comparison(found, chart)
        typer.echo(f"chart      {chart}", err=True)
