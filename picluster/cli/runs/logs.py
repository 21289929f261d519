"""`picluster logs`: what the workers of a run wrote, each line with its node."""

import sys
from typing import Annotated

import typer

from picluster.cli.show.words import plain
from picluster.cli.terminal import options, streams
from picluster.errors import InputError

EXAMPLES = """Examples:

picluster logs                       the last run
picluster logs ymbu pi3              one node of the run whose name ends with these letters
picluster logs --follow              until the run has ended"""

Node = Annotated[str | None, typer.Argument(metavar="NODE", help="Only this node; all by default.")]
Follow = Annotated[bool, typer.Option("--follow", "-f", help="Go on as lines come, until the run has ended.")]


def logs(run: options.RunName = None, node: Node = None, follow: Follow = False) -> None:
    """Show what the workers of a run wrote to their logs."""
    from picluster.controller.record.all_runs import find_run
    from picluster.controller.record.log_lines import follow_logs, read_logs

    folder = find_run(run)
    nodes = folder.plan().nodes
    if node is not None and node not in nodes:
        raise InputError(f"run {folder.name} has no node {node}", fix=f"it has {', '.join(nodes)}")
    chosen = nodes if node is None else (node,)
    wrote = False
    longest = max(len(plain(each)) for each in chosen)
    for name, line in follow_logs(folder, chosen) if follow else read_logs(folder, chosen):
        wrote = True
        typer.echo(f"{plain(name):<{longest}} │ {plain(line)}")
        output = streams.standard_output()
        if output and output.has_no_reader:  # --follow would wait for lines that nobody sees
            return
    if not wrote:
        whose = "no worker has written anything" if len(chosen) > 1 else f"{plain(chosen[0])} has written nothing"
        print(f"run {plain(folder.name)}: {whose} to its log: there was no trouble to tell of", file=sys.stderr)
