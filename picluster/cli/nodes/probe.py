"""`picluster probe`: what somebody who was not there would ask about a shelf of Pis, in one file to send."""

from __future__ import annotations

import shlex
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from picluster.cli.show.words import note, print_record
from picluster.cli.terminal import options
from picluster.errors import InputError

if TYPE_CHECKING:
    from picluster.schema.events import AnyEvent

EXAMPLES = """Examples:

picluster probe --bundle shelf.json             all nodes of the inventory

picluster probe --bundle shelf.json --nodes 2   the first two

picluster probe --read shelf.json               what is in it, as tables

picluster probe --read shelf.json --json | jq '.nodes\\[].bench'"""

BundleFile = Annotated[
    Path | None, typer.Option("--bundle", metavar="FILE", help="Gather from the nodes, and write it to FILE (.json).")
]
ReadFile = Annotated[Path | None, typer.Option("--read", metavar="FILE", help="Show what such a file holds.")]


def probe(
    *,
    bundle: BundleFile = None,
    read: ReadFile = None,
    inventory: options.InventoryFile = None,
    nodes: options.Nodes = None,
    as_json: options.Json = False,
) -> None:
    """Gather boards, systems, doctor's findings, a bench and a short run in a file, without personal details."""
    if (bundle is None) == (read is None):
        what = "--bundle FILE gathers, --read FILE shows" + ("; not both at once" if bundle else ": say one of them")
        raise InputError(what, fix="picluster probe --bundle shelf.json")
    if bundle is not None:
        if as_json:
            raise InputError("--json goes with --read: a bundle is JSON already", fix="leave --json out")
        _gather(bundle, inventory, nodes)
        return
    if inventory is not None or nodes is not None:
        which = "--nodes" if inventory is None else "--inventory"
        raise InputError(f"{which} does not go with --read: the file says what nodes it is of", fix="leave it out")
    from picluster.cli.show.bundle_tables import show_bundle
    from picluster.controller.health.bundle_file import read_bundle

    assert read is not None
    print_record(read_bundle(read), show_bundle, as_json=as_json)


def _gather(file: Path, inventory: Path | None, nodes: str | None) -> None:
    from picluster.cli.terminal.interrupts import EndSignals, Heedful
    from picluster.controller.health.bundle_file import check_bundle_file, write_bundle
    from picluster.controller.health.probe import probe as gather
    from picluster.controller.running.observer import Observer
    from picluster.controller.running.placement import choose_nodes
    from picluster.schema.events import EpochDone

    check_bundle_file(file)
    chosen, _ = choose_nodes(inventory, nodes, note)
    tell = partial(print, file=sys.stderr, flush=True)

    def watch(_: str, event: AnyEvent) -> None:
        if isinstance(event, EpochDone):
            tell(f"training   epoch {event.epoch} took {event.seconds:.1f} s")

    with EndSignals() as signals:
        found = gather(chosen, Heedful(Observer(watch), signals.check), tell)
    write_bundle(file, found)
    print(file)
    print(f"read it before you send it: picluster probe --read {shlex.quote(str(file))}", file=sys.stderr)
