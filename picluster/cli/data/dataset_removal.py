"""`picluster dataset rm`: shows what would go, asks, and tells what went."""

from __future__ import annotations

import shlex
import sys
from typing import TYPE_CHECKING

import typer
from rich.filesize import decimal

from picluster.cli.show.words import plain
from picluster.cli.terminal.asking import agrees
from picluster.controller.record.history import training_on
from picluster.errors import InputError
from picluster.graph.catalogue import removable, remove

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


def remove_graphs(graphs_folder: Path, names: Sequence[str], *, yes: bool) -> None:
    """Remove all of these graphs, or none: InputError where one is not there, no graph, or in use."""
    folders = removable(graphs_folder, names)
    for folder in folders:
        if runs := training_on(folder.path.name):
            what = f"{plain(str(folder.path))} is being trained on by {', '.join(runs)}"
            raise InputError(what, fix=f"wait for it, or end it: picluster stop {shlex.quote(runs[0])}")
    if not yes:
        words = shlex.join(["picluster", "dataset", "rm", *(folder.path.name for folder in folders), "--yes"])
        if not sys.stdin.isatty():
            raise InputError("nobody is there to be asked whether graphs may be removed", fix=words)
        for folder in folders:
            told = "a link" if folder.is_link else decimal(folder.bytes)
            typer.echo(f"  {plain(str(folder.path))}: {told}")
        if not agrees("Remove it?" if len(folders) == 1 else "Remove them?"):
            typer.echo("nothing was removed")
            return
    for folder in folders:
        remove(folder)
        left = "; the folder that it led to stays" if folder.is_link else f": {decimal(folder.bytes)} freed"
        typer.echo(f"removed {plain(str(folder.path))}{left}")
