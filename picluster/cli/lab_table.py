"""A lab as text, calm at 80 columns."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table
from rich.text import Text

from picluster.cli.words import NOTHING, mebibytes
from picluster.lab.state import LabState, NodeState

_GIB = 1 << 30
_MEGABIT = 10**6
_STYLES = {"running": "green", "frozen": "yellow", "link down": "yellow", "dead": "red"}


def show_lab(lab: LabState) -> None:
    """A line for each node, and where the inventory is."""
    console = Console(highlight=False, emoji=False)
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for head in ("node", "state", "address"):
        table.add_column(head, no_wrap=True, header_style="dim")
    for head in ("memory, MiB", "CPU", "link, Mbit/s", "disk, GiB"):
        table.add_column(head, no_wrap=True, header_style="dim", justify="right")
    for node in lab.nodes:
        table.add_row(*_cells(node))
    console.print(table)
    kind = "bare nodes" if lab.fresh else "nodes ready to train"
    if lab.emulated:
        kind += ", emulated"
    console.print(f"{kind}; inventory {lab.inventory}", soft_wrap=True)


def _cells(node: NodeState) -> list[Text]:
    memory = mebibytes(None if node.state == "dead" else node.memory_bytes)
    disk = NOTHING if node.disk_used_bytes is None else f"{node.disk_used_bytes / _GIB:.1f}"
    return [
        Text(node.name),
        Text(node.state, style=_STYLES[node.state]),
        Text(node.address),
        Text(f"{memory} of {mebibytes(node.memory_limit_bytes)}"),
        Text(f"{node.cpus:g}"),
        Text(f"{node.rate_bits / _MEGABIT:,.4g}"),
        Text(f"{disk} of {node.disk_bytes / _GIB:,.4g}"),
    ]
