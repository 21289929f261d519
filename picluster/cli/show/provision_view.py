"""Progress of provisioning: a table that is redrawn in a terminal, else a line for each change."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from rich.console import RenderableType
from rich.text import Text

from picluster.cli.show.screen import Screen, SteadyLive, plain_table
from picluster.cli.show.words import NOTHING, plain
from picluster.cli.terminal.typeable import typeable
from picluster.controller.provision.progress import Progress
from picluster.schema.provision import NodeOutcome, Provisioned
from picluster.wording import counted, duration

_STYLES = {"ready": "green", "done": "green", "failed": "red", "unreachable": "red", "untouched": "yellow"}
_LOUD = ("failed", "unreachable")


@contextmanager
def watched(progress: Progress, *, quiet: bool) -> Iterator[Callable[[Mapping[str, Any]], object]]:
    """Show a playbook's events as they come; yields the function that takes them."""
    screen = Screen(stderr=True)
    if quiet or not screen.can_draw:
        yield lambda event: _tell(screen, progress, event, quiet=quiet)
        return
    began = time.monotonic()
    with SteadyLive(console=screen, get_renderable=lambda: _table(progress, time.monotonic() - began), transient=True):
        yield progress.update


def _tell(screen: Screen, progress: Progress, event: Mapping[str, Any], *, quiet: bool) -> None:
    """Print a line for a node that was changed, or given up."""
    name = progress.update(event)
    if name is None or quiet:
        return
    node, data = progress.nodes[name], event["event_data"]
    if event["event"] == "runner_on_ok" and (data.get("res") or {}).get("changed"):
        screen.tell(plain(f"{name}  {data.get('role') or ''}: {data.get('task') or ''}"))
    elif event["event"] == "runner_on_failed" and node.failed:
        screen.tell(plain(f"{name}  {node.role}: {node.task}: {typeable(node.reason)}"), style="red")


def _table(progress: Progress, seconds: float) -> RenderableType:
    table = plain_table(("node", "role", "task"), ("changed", "time"))
    table.caption, table.caption_justify = duration(seconds), "left"
    for column in table.columns:
        column.no_wrap, column.overflow = True, "ellipsis"
    table.columns[2].ratio = 1
    for name, node in progress.nodes.items():
        style = "red" if node.has_failed else ""
        doing = node.reason if node.has_failed else node.task
        numbers = str(node.changed), duration(node.seconds)
        table.add_row(plain(name), node.role or NOTHING, Text(plain(doing), style=style), *numbers)
    return table


def show_outcome(done: Provisioned) -> None:
    """Print a line for each node, the notes, why nodes are not ready, and last whether all is well."""
    screen = Screen()
    width = max(len(plain(node.name)) for node in done.nodes)
    screen.print()
    for node in done.nodes:
        counts = f"ok={node.ok} changed={node.changed} unreachable={node.unreachable} failed={node.failed}"
        screen.print(
            f"{plain(node.name):<{width}}  ", Text(f"{node.state:<11}  ", style=_STYLES[node.state]), end="", sep=""
        )
        screen.tell(f"{counts} skipped={node.skipped}  {duration(node.seconds)}")
    for note in done.notes:
        screen.tell(f"note: {plain(typeable(note))}", style="yellow")
    for node in done.nodes:
        if node.state in _LOUD:
            screen.tell(_why(node), style="red")
    if any(node.state == "untouched" for node in done.nodes):
        screen.tell("nothing was changed on any node: all are looked at first, and one was refused", style="yellow")
    good = sum(node.state not in (*_LOUD, "untouched") for node in done.nodes)
    word = "came through" if any(node.state == "done" for node in done.nodes) else "ready"
    screen.tell(f"{good} of {counted(len(done.nodes), 'node')} {word} in {duration(done.seconds)}", style="bold")


def _why(node: NodeOutcome) -> str:
    said = plain(typeable(node.reason))
    named = said if said.startswith(f"{plain(node.name)}: ") else f"{plain(node.name)}: {said}"
    return f"error: {named}\n  at: {plain(node.role)}: {plain(node.task)}" if node.role else f"error: {named}"
