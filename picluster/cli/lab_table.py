"""A lab as text, calm at 80 columns."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table
from rich.text import Text

from picluster.cli.words import NOTHING
from picluster.lab.amounts import rate_words, size_words
from picluster.lab.state import LabState, NodeState

_STYLES = {"running": "green", "frozen": "yellow", "link down": "yellow", "dead": "red"}


def show_lab(lab: LabState) -> None:
    """A line for each node, and where the inventory is."""
    console = Console(highlight=False, emoji=False)
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for head, justify in (("node", "left"), ("state", "left"), ("address", "left")):
        table.add_column(head, no_wrap=True, header_style="dim", justify="left" if justify == "left" else "right")
    for head in ("memory", "CPU", "link", "disk"):
        table.add_column(head, no_wrap=True, header_style="dim", justify="right")
    for node in lab.nodes:
        table.add_row(*_cells(node))
    console.print(table)
    kind = "bare nodes" if lab.fresh else "nodes ready to train"
    console.print(f"{kind}; inventory {lab.inventory}", soft_wrap=True)


def _cells(node: NodeState) -> list[Text]:
    used = NOTHING if node.disk_used_bytes is None else size_words(node.disk_used_bytes)
    return [
        Text(node.name),
        Text(node.state, style=_STYLES[node.state]),
        Text(node.address),
        Text(f"{size_words(node.memory_bytes)} / {size_words(node.memory_limit_bytes)}"),
        Text(f"{node.cpus:g}"),
        Text(rate_words(node.rate_bits)),
        Text(f"{used} / {size_words(node.disk_bytes)}"),
    ]
