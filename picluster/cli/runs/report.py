"""`picluster report`: what every node of a run used, and where the time went; as tables, or as a page to look at."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from picluster.cli.show.words import print_record
from picluster.cli.terminal import options
from picluster.errors import InputError

if TYPE_CHECKING:
    from picluster.controller.record.run_folder import RunFolder

EXAMPLES = """Examples:

picluster report                     the last run

picluster report ymbu                the run whose name ends with these letters

picluster report --html              a page with pictures, in a file named as the run

picluster report --html --output page.html

picluster report --trace run.json    what each node did, for ui.perfetto.dev, of a launch with --trace

picluster report --tensorboard tb    event files, for tensorboard --logdir tb

picluster report --markdown          every table, also as --csv

picluster report --json | jq .test_accuracy"""

Html = Annotated[bool, typer.Option("--html", help="Write a page with pictures: one file that needs no other.")]
Output = Annotated[
    Path | None, typer.Option("--output", "-o", metavar="FILE", help="File of the page. (default: RUN.html)")
]
Trace = Annotated[
    Path | None,
    typer.Option("--trace", metavar="FILE", help="Write what was recorded by launch --trace, for ui.perfetto.dev."),
]
TensorBoard = Annotated[
    Path | None,
    typer.Option("--tensorboard", metavar="DIR", help="Write event files for TensorBoard, in a folder for each run."),
]
Csv = Annotated[bool, typer.Option("--csv", help="Print every table as CSV.")]
Markdown = Annotated[bool, typer.Option("--markdown", help="Print them as Markdown.")]


def report(
    run: options.RunName = None,
    *,
    as_html: Html = False,
    output: Output = None,
    trace: Trace = None,
    tensorboard: TensorBoard = None,
    as_csv: Csv = False,
    as_markdown: Markdown = False,
    as_json: options.Json = False,
) -> None:
    """Show what every node of a run used and where the time went."""
    from picluster.cli.show.run_tables import show_report
    from picluster.controller.record.all_runs import find_run
    from picluster.controller.record.report import make_report

    forms = {
        "--html": as_html,
        "--trace": trace is not None,
        "--tensorboard": tensorboard is not None,
        "--csv": as_csv,
        "--markdown": as_markdown,
        "--json": as_json,
    }
    _check(tuple(name for name, chosen in forms.items() if chosen), output)
    folder = find_run(run)
    if as_html:
        _write_page(folder, output or Path(f"{folder.name}.html"))
    elif trace is not None:
        _write_trace(folder, trace)
    elif tensorboard is not None:
        from picluster.controller.page.event_files import write_event_files

        typer.echo(write_event_files(folder, tensorboard))
    elif as_csv or as_markdown:
        from picluster.controller.page import tables

        print_tables = tables.as_csv if as_csv else tables.as_markdown
        typer.echo(print_tables(tables.all_tables_of(make_report(folder))), nl=False)
    else:
        print_record(make_report(folder), show_report, as_json=as_json)


def _check(forms: tuple[str, ...], output: Path | None) -> None:
    """Raise InputError where a report is asked for in two forms, or a file for one that is printed."""
    if len(forms) > 1:
        raise InputError(f"a report has one form, not {' and '.join(forms)}", fix=f"leave out {forms[1]}")
    if output is not None and forms != ("--html",):
        raise InputError("--output names the file of a page", fix="add --html, or leave out --output and use > FILE")


def _write_trace(folder: RunFolder, file: Path) -> None:
    from picluster.controller.page.trace import make_trace
    from picluster.controller.record.record_files import check_output, write_whole

    check_output(file, "--trace", (".json",), "trace")
    write_whole(file, make_trace(folder))
    typer.echo(file)


def _write_page(folder: RunFolder, file: Path) -> None:
    from picluster.controller.page.page import make_page
    from picluster.controller.record.record_files import check_output, write_whole

    check_output(file, "--output", (".html", ".htm"), "page")
    write_whole(file, make_page(folder).encode())
    typer.echo(file)
