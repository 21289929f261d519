"""Health of the nodes as text at 80 columns."""

from collections.abc import Sequence

from rich.table import Table
from rich.text import Text

from picluster.cli.show.screen import Screen, plain_table
from picluster.cli.show.words import NOTHING, mebibytes, plain
from picluster.cli.terminal.typeable import typeable
from picluster.controller.health.findings import best_mbit
from picluster.controller.health.findings_node import usable_bytes
from picluster.schema.health import Finding, Health, Link, NodeHealth, Severity
from picluster.wording import counted

_GIB = 1 << 30
_STYLES: dict[Severity | None, str] = {"problem": "red", "warning": "yellow", "note": "green", None: "green"}


def show_health(health: Health) -> None:
    """Print tables of the nodes and their links, the findings, and whether all nodes are ready."""
    screen = Screen()
    if any(node.facts for node in health.nodes):
        screen.show(_nodes_table(health), "nodes: memory in MiB, disk in GiB free, clock in s against this one")
    else:
        screen.tell("no node could be examined", style="dim")
    if health.links:
        screen.show(_links_table(health), "links: Mbit/s at best, and to the slowest peer; longest round trip, ms")
    if health.findings:
        screen.print()
    for finding in health.findings:
        _show_finding(screen, finding, len(health.nodes))
    screen.print()
    bad = [node.name for node in health.nodes if not node.ready]
    ready = len(health.nodes) - len(bad)
    if bad:
        told = f"{ready} of {counted(len(health.nodes), 'node')} ready; not ready: {plain(', '.join(bad))}"
    else:
        warned = [node.name for node in health.nodes if _worst(node.name, health.findings) == "warning"]
        told = f"{'all ' if ready > 1 else ''}{counted(ready, 'node')} ready"
        told += f"; warnings about {plain(', '.join(warned))}" if warned else ""
    screen.tell(told, style="bold")


def _show_finding(screen: Screen, finding: Finding, nodes: int) -> None:
    """Print a line for what is wrong, and a line for what to do."""
    names = finding.nodes
    who = f"all {nodes} nodes" if len(names) == nodes > 1 else plain(", ".join(names))
    screen.tell(Text(f"{finding.severity:<9}", style=_STYLES[finding.severity]), f"{who}: {plain(finding.what)}")
    if finding.fix:
        screen.tell(f"{'':<9}fix: {plain(typeable(finding.fix))}")


def _nodes_table(health: Health) -> Table:
    table = plain_table(("node", "state", "processor", "torch"), ("free", "of", "disk", "clock", "°C"))
    for node in health.nodes:
        worst = _worst(node.name, health.findings)
        state = Text("ready" if worst is None or worst == "note" else worst, style=_STYLES[worst])
        table.add_row(plain(node.name), state, *_facts(node))
    return table


def _facts(node: NodeHealth) -> list[str]:
    if node.facts is None:
        return [NOTHING] * 7
    facts = node.facts
    torch = node.torch.versions.get("torch", "fails").partition("+")[0] if node.torch else NOTHING
    size = min((each for each in (facts.memory_bytes, facts.limit_bytes) if each is not None), default=None)
    # A board's short name, such as `Pi 4`, says more than aarch64.
    board = (facts.board or "").replace("Raspberry ", "").partition(" Rev")[0]
    return [
        board.replace(" Model ", " ").replace(" Plus", "+") or facts.machine,
        torch,
        mebibytes(usable_bytes(facts)),
        mebibytes(size),
        NOTHING if facts.free_bytes is None else f"{facts.free_bytes / _GIB:,.1f}",
        NOTHING if node.clock_seconds is None else f"{round(node.clock_seconds, 2) + 0.0:+,.2f}",
        NOTHING if facts.celsius is None else f"{facts.celsius:.0f}",
    ]


def _links_table(health: Health) -> Table:
    table = plain_table(("node", "interface", "address"), ("best", "slowest", "to", "trip"))
    for node in health.nodes:
        mine = [link for link in health.links if link.source == node.name and link.mbit_per_second is not None]
        rates = _rates(node.name, mine, health)
        table.add_row(plain(node.name), node.interface or NOTHING, node.address or NOTHING, *rates)
    return table


def _rates(name: str, mine: Sequence[Link], health: Health) -> list[str]:
    best = best_mbit(name, health.links)
    if best is None or not mine:
        return [NOTHING] * 4
    slowest = min(mine, key=lambda link: link.mbit_per_second or 0.0)
    trip = max(link.round_trip_ms or 0.0 for link in mine)
    return [f"{best:,.0f}", f"{slowest.mbit_per_second:,.0f}", plain(slowest.target), f"{trip:.2f}"]


def _worst(name: str, findings: Sequence[Finding]) -> Severity | None:
    """Severity of the worst finding about a node, which comes first."""
    return next((finding.severity for finding in findings if name in finding.nodes), None)
