"""`picluster report`: what every node of a run used, and where the time went."""

from __future__ import annotations

from typing import Annotated

import typer

from picluster.cli import options

EXAMPLES = """Examples:

picluster report                     the last run
picluster report ymbu                the run whose name ends with these letters
picluster report --json | jq .test_accuracy"""

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of tables.")]


def report(run: options.RunName = None, as_json: AsJson = False) -> None:
    """Show what every node of a run used and where the time went."""
    from picluster.cli.tables import show_report
    from picluster.controller.report import make_report
    from picluster.controller.run_folder import RunFolder
    from picluster.schema.record import to_json

    made = make_report(RunFolder.find(run))
    if as_json:
        typer.echo(to_json(made, indent=True), nl=False)
    else:
        show_report(made)
