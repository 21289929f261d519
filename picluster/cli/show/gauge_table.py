"""Gauges of the nodes: a line for each where the width allows, else a paragraph that begins with the whole name."""

import sys
import textwrap
import time
from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from picluster.cli.show.screen import Screen, fullness_style, paragraph, plain_table
from picluster.cli.show.words import NOTHING, mebibytes, plain
from picluster.cli.terminal.typeable import typeable
from picluster.schema.gauges import NodeReading, Readings
from picluster.wording import counted

_GIB = 1 << 30
_LETTERS = 4
"""Letters at the end of a run's name, by which it is found."""
_WIDE = 120
"""Columns from which a run's whole name is shown."""
_HOT_CELSIUS, _WARM_CELSIUS = 80.0, 75.0
"""From the first on a Pi slows down."""
_STALE_SECONDS = 5.0
"""Age from which a reading is told to be old, where nodes are asked often."""
_AROUND_LINES = 5
"""Lines around the nodes' own: head, heads of columns, how many more there are, and one to spare."""


def show_readings(readings: Readings) -> None:
    """Print one reading."""
    screen = Screen()
    screen.print(view(readings, screen))


def view(readings: Readings, screen: Screen, height: int | None = None, every_seconds: float = 0.0) -> RenderableType:
    """All nodes below the time of the reading, why some do not answer last; with a height, as many nodes as fit."""
    nodes, width, stale_seconds = readings.nodes, screen.width, max(_STALE_SECONDS, 3 * every_seconds)
    room_lines = sys.maxsize if height is None else height - _AROUND_LINES
    told: list[RenderableType] = [_headline(readings, width), Text("")]
    if table := _table(nodes[: max(1, room_lines)], stale_seconds, screen):
        room = table.row_count
        told.append(table)
    else:
        paragraphs = [_paragraph(node, stale_seconds, width) for node in nodes]
        room = max(1, room_lines // max(map(len, paragraphs)))
        told += [line for each in paragraphs[:room] for line in each]
    if len(nodes) > room:
        told.append(Text(f"… and {len(nodes) - room} more nodes", style="dim"))
    return Group(*told, *(line for node in nodes if node.problem for line in _problem(node, width)))


def _headline(readings: Readings, width: int) -> Text:
    """Number of nodes, and of those that do not answer; on the right the time."""
    silent = sum(bool(node.problem) for node in readings.nodes)
    told = counted(len(readings.nodes), "node") + (f", {silent} without an answer" if silent else "")
    clock = time.strftime("%H:%M:%S", time.localtime(readings.time))
    return Text(f"{told} {clock:>{max(0, width - len(told) - 1)}}", style="bold", no_wrap=True, overflow="ellipsis")


def _table(nodes: Sequence[NodeReading], stale_seconds: float, screen: Screen) -> Table | None:
    """A line for each node; None where the screen is too narrow for one. Columns are as wide as numbers may become."""
    table = plain_table(["node"], ("MiB of limit", "CPU", "°C", "throttled", "GiB free"))
    table.add_column("at work", overflow="fold")
    widest = max(len(mebibytes(node.memory_limit_bytes)) for node in nodes)
    for column, columns in zip(table.columns[1:4], (2 * widest + len(" of "), 4, 3), strict=True):
        column.min_width = columns
    for node in nodes:
        at_work = _at_work(node, stale_seconds, whole=screen.width >= _WIDE)
        table.add_row(plain(node.name), _memory(node), _cpu(node), _heat(node), _throttled(node), _free(node), at_work)
    for padding in (2, 1):
        table.padding = (0, padding, 0, 0)
        if screen.fits(table):
            return table
    return None


def _paragraph(node: NodeReading, stale_seconds: float, width: int) -> list[Text]:
    """A node's name, and below it what the table has, broken between the gauges."""
    parts = [_at_work(node, stale_seconds, whole=False).plain]
    if node.seconds_ago is not None:
        limit = len(mebibytes(node.memory_limit_bytes))
        parts.append(f"{_memory(node).plain:>{2 * limit + 4}} MiB")
        parts += [f"CPU {_cpu(node):>4}", f"{_heat(node).plain:>3} °C", f"{_free(node)} GiB free"]
        parts += [f"throttled {node.held_back}"] if node.held_back in ("now", "before") else []
    return paragraph(plain(node.name), parts, width)


def _memory(node: NodeReading) -> Text:
    """Memory in use and its limit, loud where little is left."""
    used, limit = node.memory_used_bytes, node.memory_limit_bytes
    if used is None or not limit:
        return Text(NOTHING)
    return Text(f"{mebibytes(used)} of {mebibytes(limit)}", style=fullness_style(used / limit))


def _cpu(node: NodeReading) -> str:
    return NOTHING if node.cpu_share is None else f"{node.cpu_share:.0%}"


def _heat(node: NodeReading) -> Text:
    if node.celsius is None:
        return Text(NOTHING)
    style = "red" if node.celsius >= _HOT_CELSIUS else "yellow" if node.celsius >= _WARM_CELSIUS else ""
    return Text(f"{node.celsius:.0f}", style=style)


def _throttled(node: NodeReading) -> Text:
    return Text(node.held_back or NOTHING, style={"now": "red", "before": "yellow"}.get(node.held_back or "", ""))


def _free(node: NodeReading) -> str:
    return NOTHING if node.free_bytes is None else f"{node.free_bytes / _GIB:,.1f}"


def _at_work(node: NodeReading, stale_seconds: float, *, whole: bool) -> Text:
    """Runs that the node works for, with its role; or that it does not answer."""
    if node.problem:
        return Text("no answer", style="red")
    if node.seconds_ago is None:
        return Text("connecting", style="dim")
    if node.seconds_ago > stale_seconds:
        return Text(f"silent for {node.seconds_ago:.0f} s", style="yellow")
    runs = (f"{each.run if whole else each.run[-_LETTERS:]} {each.role}".strip() for each in node.workers)
    return Text(plain(", ".join(runs)) or "idle", style="" if node.workers else "dim")


def _problem(node: NodeReading, width: int) -> list[Text]:
    """Reason why a node does not answer, and the remedy, broken between words."""
    told = f"{plain(node.name)}: {plain(node.problem)}"
    told += f"; {plain(typeable(node.fix))}" if node.fix else ""
    return [Text(""), *map(Text, textwrap.wrap(told, width, subsequent_indent="  ", break_on_hyphens=False))]
