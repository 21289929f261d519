"""Health of the nodes as text at 80 columns."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from picluster.cli.show.words import NOTHING, mebibytes, plain, plural
from picluster.cli.terminal.typeable import typeable
from picluster.controller.health.findings_links import best_mbit
from picluster.controller.health.findings_node import usable_bytes
from picluster.schema.health import Finding, Health, Link, NodeHealth, Severity
from picluster.wording import counted

_GIB = 1 << 30
_STYLES: dict[Severity | None, str] = {"problem": "red", "warning": "yellow", "note": "green", None: "green"}


def show_health(health: Health) -> None:
    """Print tables of the nodes and their links, the findings, and whether all nodes are ready."""
    console = Console(highlight=False, emoji=False)
    if any(node.facts for node in health.nodes):
        _show(console, "nodes: memory in MiB, disk in GiB free, clock in s against this one", _nodes_table(health))
    else:
        console.print(Text("no node could be examined", style="dim"))
    if health.links:
        _show(console, "links: Mbit/s at best, and to the slowest peer; longest round trip, ms", _links_table(health))
    if health.findings:
        console.print()
    for finding in health.findings:
        show_finding(console, finding, len(health.nodes))
    console.print()
    bad = [node.name for node in health.nodes if not node.ready]
    ready = len(health.nodes) - len(bad)
    if bad:
        told = f"{ready} of {counted(len(health.nodes), 'node')} ready; not ready: {plain(', '.join(bad))}"
    else:
        warned = [node.name for node in health.nodes if _worst(node.name, health.findings) == "warning"]
        told = f"{'all ' if ready > 1 else ''}{ready} node{plural(health.nodes)} ready"
        told += f"; warnings about {plain(', '.join(warned))}" if warned else ""
    console.print(Text(told, style="bold"), soft_wrap=True)


def show_finding(console: Console, finding: Finding, nodes: int) -> None:
    """Print a line for what is wrong, and a line for what to do."""
    names = finding.nodes
    who = f"all {nodes} nodes" if len(names) == nodes > 1 else plain(", ".join(names))
    line = Text(f"{finding.severity:<9}", style=_STYLES[finding.severity]) + Text(f"{who}: {plain(finding.what)}")
    console.print(line, soft_wrap=True)
    if finding.fix:
        console.print(Text(f"{'':<9}fix: {plain(typeable(finding.fix))}"), soft_wrap=True)


def _nodes_table(health: Health) -> Table:
    table = _table(
        ("node", "state", "processor", "torch"),
        ("free", "of", "disk", "clock", "°C"),
    )
    for node in health.nodes:
        worst = _worst(node.name, health.findings)
        state = Text("ready" if worst is None or worst == "note" else worst, style=_STYLES[worst])
        table.add_row(Text(plain(node.name)), state, *_facts(node))
    return table


def _facts(node: NodeHealth) -> list[str]:
    if node.facts is None:
        return [NOTHING] * 7
    facts = node.facts
    torch = node.torch.versions.get("torch", "fails").partition("+")[0] if node.torch else NOTHING
    size = min((each for each in (facts.memory_bytes, facts.limit_bytes) if each is not None), default=None)
    return [
        _processor(facts.board, facts.machine),
        torch,
        mebibytes(usable_bytes(facts)),
        mebibytes(size),
        NOTHING if facts.free_bytes is None else f"{facts.free_bytes / _GIB:,.1f}",
        NOTHING if node.clock_seconds is None else f"{round(node.clock_seconds, 2) + 0.0:+,.2f}",
        NOTHING if facts.celsius is None else f"{facts.celsius:.0f}",
    ]


def _processor(board: str | None, machine: str) -> str:
    """Short name of the processor, such as `Pi 4`, which says more than aarch64."""
    words = (board or "").replace("Raspberry ", "").partition(" Rev")[0].replace(" Model ", " ").replace(" Plus", "+")
    return words or machine


def _links_table(health: Health) -> Table:
    table = _table(
        ("node", "interface", "address"),
        ("best", "slowest", "to", "trip"),
    )
    for node in health.nodes:
        mine = [link for link in health.links if link.source == node.name and link.mbit_per_second is not None]
        table.add_row(
            Text(plain(node.name)), node.interface or NOTHING, node.address or NOTHING, *_rates(node.name, mine, health)
        )
    return table


def _rates(name: str, mine: Sequence[Link], health: Health) -> list[str]:
    best = best_mbit(name, health.links)
    if best is None or not mine:
        return [NOTHING] * 4
    slowest = min(mine, key=lambda link: link.mbit_per_second or 0.0)
    trip = max(link.round_trip_ms or 0.0 for link in mine)
    return [f"{best:,.0f}", f"{slowest.mbit_per_second:,.0f}", plain(slowest.target), f"{trip:.2f}"]


def _worst(name: str, findings: Sequence[Finding]) -> Severity | None:
    """Severity of the first finding about a node: findings come with the worst first."""
    return next((finding.severity for finding in findings if name in finding.nodes), None)


def _table(words: Sequence[str], numbers: Sequence[str]) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for head in words:
        table.add_column(head, overflow="fold", header_style="dim")
    for head in numbers:
        table.add_column(head, justify="right", no_wrap=True, header_style="dim")
    return table


def _show(console: Console, title: str, table: Table) -> None:
    """Print a table below its title, which may be wider."""
    console.print(Text(f"\n{title}", style="bold"))
    console.print(table)
