"""State of a lab as text at 80 columns."""

from __future__ import annotations

from rich.text import Text

from picluster.cli.show.screen import Screen, plain_table
from picluster.cli.show.words import NOTHING, mebibytes
from picluster.lab.state import LabState
from picluster.wording import counted

_GIB = 1 << 30
_UNSEEN = "; whether links are up is seen by root only"
_MEGABIT = 10**6
_STYLES = {"running": "green", "frozen": "yellow", "link down": "yellow", "dead": "red"}


def show_lab(lab: LabState) -> None:
    """Print a line for each node, and the inventory's path."""
    screen = Screen()
    table = plain_table(("node", "state", "address"), ("memory, MiB", "CPU", "link, Mbit/s", "disk, GiB"))
    for node in lab.nodes:
        memory = mebibytes(None if node.state == "dead" else node.memory_bytes)
        disk = NOTHING if node.disk_used_bytes is None else f"{node.disk_used_bytes / _GIB:.1f}"
        table.add_row(
            node.name,
            Text(node.state, style=_STYLES[node.state]),
            node.address,
            f"{memory} of {mebibytes(node.memory_limit_bytes)}",
            f"{node.cpus:g}",
            f"{node.rate_bits / _MEGABIT:,.4g}",
            f"{disk} of {node.disk_bytes / _GIB:,.4g}",
        )
    screen.show(table)
    screen.tell(f"{readiness(lab)}; inventory {lab.inventory}")


def readiness(lab: LabState) -> str:
    """Number of nodes that can be used, and names of the others. Only root sees whether links are up."""
    good = sum(node.state == "running" for node in lab.nodes)
    is_known = all(node.disk_used_bytes is not None for node in lab.nodes)
    kind = ("bare" if lab.fresh else "ready to train" if is_known else "running") + (", emulated" * lab.emulated)
    bad = [f"{node.name} ({node.state})" for node in lab.nodes if node.state != "running"]
    told = counted(good, "node") if not bad else f"{good} of {counted(len(lab.nodes), 'node')}"
    return f"{told} {kind}" + (f"; not so {', '.join(bad)}" if bad else "") + ("" if is_known else _UNSEEN)
