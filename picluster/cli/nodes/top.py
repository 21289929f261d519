"""`picluster top`: what every node has in use, and who works there, now."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Annotated

import typer

from picluster.cli.show.words import note, print_record
from picluster.cli.terminal import options
from picluster.cli.terminal.interrupts import EndSignals, LookedAway, pauses_told
from picluster.errors import InputError, RunFailed, Stopped

if TYPE_CHECKING:
    from picluster.cli.show.screen import Screen
    from picluster.controller.health.watching import NodeWatch

EXAMPLES = """Examples:

picluster top                        all nodes, every 2 s, until Ctrl-C
picluster top --nodes pi1,pi4        these
picluster top --once                 one reading
picluster top --json | jq '.nodes\\[] | {name, cpu_share}'"""

EVERY_SECONDS = 2.0
_REDRAWS_PER_SECOND = 2
"""Pictures in a second: a terminal may have become wider meanwhile."""

Every = Annotated[
    float | None, typer.Option(metavar="SECONDS", help="Seconds between two readings. (default: 2)", min=0.5, max=3600)
]
Once = Annotated[bool, typer.Option("--once", help="Show one reading, as where standard output is no terminal.")]


def top(
    *,
    inventory: options.InventoryFile = None,
    nodes: options.Nodes = None,
    every: Every = None,
    once: Once = False,
    as_json: options.Json = False,
) -> None:
    """Show what every node has in use, and who works there. Exit code 5 of one reading: a node does not answer."""
    from picluster.cli.show.gauge_table import show_readings
    from picluster.cli.show.screen import Screen
    from picluster.controller.health.watching import NodeWatch
    from picluster.controller.running.placement import choose_nodes

    if every is not None and (once or as_json):
        raise InputError("--every goes with neither --once nor --json: these are one reading", fix="leave it out")
    every_seconds, screen = every or EVERY_SECONDS, Screen()
    chosen, _ = choose_nodes(inventory, nodes, note)
    watch = NodeWatch(chosen, every_seconds)
    try:
        with EndSignals(LookedAway), watch:
            if screen.can_draw and not once and not as_json:
                _draw(watch, screen, every_seconds)
            watch.settle()
            readings = watch.readings()
    except LookedAway:
        if screen.can_draw and not as_json:
            show_readings(watch.readings())  # what was drawn has gone with the other screen
        raise typer.Exit(Stopped.exit_code) from None
    print_record(readings, show_readings, as_json=as_json)
    if not readings.answer:
        raise typer.Exit(RunFailed.exit_code)


def _draw(watch: NodeWatch, screen: Screen, every_seconds: float) -> None:
    """Draw the readings on the terminal's other screen, again and again, until a signal ends it."""
    from rich.live import Live

    from picluster.cli.show.gauge_table import view
    from picluster.cli.terminal.quiet import unechoed

    with (
        pauses_told("fg shows the nodes again"),
        unechoed(),
        Live(
            console=screen,
            screen=True,
            get_renderable=lambda: view(watch.readings(), screen, screen.height, every_seconds),
            refresh_per_second=_REDRAWS_PER_SECOND,
        ),
    ):
        threading.Event().wait()
