"""`picluster stop` and `picluster reap`: runs that shall end, and what a crash left behind."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from picluster.cli.show.words import note
from picluster.cli.terminal import options
from picluster.errors import RunFailed

if TYPE_CHECKING:
    from picluster.controller.record.run_folder import RunFolder

STOP_EXAMPLES = """Examples:

picluster stop                       the run that goes on, the last one
picluster stop ymbu                  the run whose name ends with these letters"""
REAP_EXAMPLES = """Examples:

picluster reap                       on the nodes of inventory/hosts.yml
picluster reap --dry-run             only look"""

DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would be ended, and end nothing.")]


def stop(run: options.RunName = None, inventory: options.InventoryFile = None) -> None:
    """End a run on all of its nodes. Other runs go on."""
    from picluster.controller.nodes import reaping
    from picluster.controller.record.all_runs import find_run, training_after

    folder = find_run(run)
    folder = training_after(folder) or folder  # a pre-training is followed by what it is for
    if reaping.stop(folder):
        print(f"run {folder.name} has been stopped")
        return
    print(f"nobody leads run {folder.name} any more; looking for what it left behind")
    _end_what_is_left(inventory, folder, dry_run=False)


def reap(inventory: options.InventoryFile = None, dry_run: DryRun = False) -> None:
    """Find workers that a crash left behind on the nodes, and end them. What somebody still leads is left alone."""
    _end_what_is_left(inventory, None, dry_run=dry_run)


def _end_what_is_left(inventory: Path | None, folder: RunFolder | None, *, dry_run: bool) -> None:
    """End what nobody leads any more, of one run or of all."""
    from picluster.controller.nodes import reaping
    from picluster.controller.nodes.fan_out import NodesFailed
    from picluster.controller.running.placement import choose_nodes

    nodes, _ = choose_nodes(inventory, None, note)
    if folder is not None:
        nodes = [node for node in nodes if node.name in folder.plan().nodes]
    left, errors = reaping.left_behind(nodes, folder.name if folder else None)
    stubborn = [] if dry_run else reaping.end(nodes, left)
    for each in left:
        since = time.strftime("%H:%M", time.localtime(each.claim.since))
        what = "would end" if dry_run else "could not end" if each in stubborn else "ended"
        print(f"{what} the worker of run {each.claim.run} on {each.node}: process {each.claim.pid}, since {since}")
    if not left:
        print("nothing was left behind" + (" where that can be seen" if errors else ""))
    if errors:
        raise NodesFailed(errors)
    if stubborn:
        raise RunFailed("some workers live on", fix="see whether sudo on the node asks for a password")
