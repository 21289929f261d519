"""Progress of provisioning: a table that is redrawn in a terminal, else a line for each change."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from picluster.cli.show.words import NOTHING, duration, plain
from picluster.cli.terminal.typeable import typeable
from picluster.controller.provision.progress import Progress
from picluster.wording import counted

if TYPE_CHECKING:
    from rich.console import RenderableType

    from picluster.schema.provision import NodeOutcome, Provisioned

_STYLES = {"ready": "green", "done": "green", "failed": "red", "unreachable": "red", "untouched": "yellow"}
_LOUD = ("failed", "unreachable")


@contextmanager
def watched(progress: Progress, *, quiet: bool) -> Iterator[Callable[[Mapping[str, Any]], object]]:
    """Show a playbook's events as they come; yields the function that takes them."""
    console = Console(stderr=True, highlight=False, emoji=False)
    if quiet or not console.is_terminal:
        yield lambda event: _tell(console, progress, event, quiet=quiet)
        return
    began = time.monotonic()
    with Live(console=console, get_renderable=lambda: _table(progress, time.monotonic() - began), transient=True):
        yield progress.hear


def _tell(console: Console, progress: Progress, event: Mapping[str, Any], *, quiet: bool) -> None:
    """Print a line for a node that was changed, or given up."""
    name = progress.hear(event)
    if name is None or quiet:
        return
    node, data = progress.nodes[name], event["event_data"]
    if event["event"] == "runner_on_ok" and (data.get("res") or {}).get("changed"):
        line = Text(f"{plain(name)}  {plain(data.get('role') or '')}: {plain(data.get('task') or '')}")
        console.print(line, soft_wrap=True)
    elif event["event"] == "runner_on_failed" and node.failed:
        line = Text(
            f"{plain(name)}  {plain(node.role)}: {plain(node.task)}: {plain(typeable(node.reason))}", style="red"
        )
        console.print(line, soft_wrap=True)


def _table(progress: Progress, seconds: float) -> RenderableType:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    table.caption, table.caption_justify = duration(seconds), "left"
    table.add_column("node", no_wrap=True)
    table.add_column("role", no_wrap=True)
    table.add_column("task", no_wrap=True, overflow="ellipsis", ratio=1)
    table.add_column("changed", justify="right", no_wrap=True)
    table.add_column("time", justify="right", no_wrap=True)
    for name, node in progress.nodes.items():
        style = "red" if node.has_failed else ""
        doing = node.reason if node.has_failed else node.task
        numbers = str(node.changed), duration(node.seconds)
        table.add_row(Text(plain(name)), node.role or NOTHING, Text(plain(doing), style=style), *numbers)
    return table


def show_outcome(done: Provisioned) -> None:
    """Print a line for each node, the notes, why nodes are not ready, and last whether all is well."""
    console = Console(highlight=False, emoji=False)
    width = max(len(plain(node.name)) for node in done.nodes)
    console.print()
    for node in done.nodes:
        counts = f"ok={node.ok} changed={node.changed} unreachable={node.unreachable} failed={node.failed}"
        line = Text(f"{plain(node.name):<{width}}  ") + Text(f"{node.state:<11}  ", style=_STYLES[node.state])
        console.print(line + Text(f"{counts} skipped={node.skipped}  {duration(node.seconds)}"), soft_wrap=True)
    for note in done.notes:
        console.print(Text(f"note: {plain(typeable(note))}", style="yellow"), soft_wrap=True)
    for node in done.nodes:
        if node.state in _LOUD:
            console.print(Text(_why(node), style="red"), soft_wrap=True)
    if any(node.state == "untouched" for node in done.nodes):
        told = "nothing was changed on any node: all are looked at first, and one was refused"
        console.print(Text(told, style="yellow"), soft_wrap=True)
    good = sum(node.state not in (*_LOUD, "untouched") for node in done.nodes)
    word = "came through" if any(node.state == "done" for node in done.nodes) else "ready"
    console.print(
        Text(f"{good} of {counted(len(done.nodes), 'node')} {word} in {duration(done.seconds)}", style="bold")
    )


def _why(node: NodeOutcome) -> str:
    said = plain(typeable(node.reason))
    named = said if said.startswith(f"{plain(node.name)}: ") else f"{plain(node.name)}: {said}"
    return f"error: {named}\n  at: {plain(node.role)}: {plain(node.task)}" if node.role else f"error: {named}"
