"""Live view of a run: from its state to what rich prints, at 80 columns and at more. Pure."""

import textwrap
from collections.abc import Sequence

from rich.cells import cell_len
from rich.console import Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from picluster.cli.show.loss_curve import LINES
from picluster.cli.show.run_state import NodeActivity, RunState
from picluster.cli.show.screen import HARD_SPACE, NARROW, fullness_style, paragraph
from picluster.cli.show.words import NOTHING, epochs, fraction, learnt, mebibytes, milliseconds, plain
from picluster.wording import counted, duration

_LABEL = 11
_AROUND_LINES = 4
"""Lines around the nodes' own below the head, and one to spare for the cursor."""
_WIDE = 120
_NAME, _WIDE_NAME = 14, 32
_NARROW_NUMBERS = 34
"""Columns of a narrow table beside names and roles."""
_PHASE_STYLES = {"finished": "bold green", "failed": "bold red", "stopped": "bold yellow"}
_DOING_STYLES = {"failed": "bold red", "lost": "yellow", "ready": "green", "done": "green"}


def view(state: RunState, width: int, height: int | None = None) -> RenderableType:
    """Lines of the view; with a height, as many nodes as fit."""
    shown, log = list(state.nodes.items()), _log(state, width)
    paragraphs = _paragraphs(shown, width)
    longest = max(map(len, paragraphs), default=1)
    lines: list[RenderableType] = [_headline(state, width), _bar(state, width), *_learnt(state, width)]
    free = None if height is None else height - _AROUND_LINES - len(lines) - len(log)
    if width >= _WIDE and (free is None or free >= len(shown) + LINES):
        lines += [Text(f"{'':{_LABEL}}{line}", style="cyan") for line in state.curve.lines(width - _LABEL)]
        free = None if free is None else free - LINES
    room = len(shown) if free is None else max(1, free // longest)
    rest = len(shown) - room if len(shown) > room else 0
    fit = len(shown) - rest - (rest > 0)
    nodes: list[RenderableType] = [line for each in paragraphs[:fit] for line in each]
    nodes = nodes or [_nodes(shown[:fit], width)]
    more = [Text(f"… and {rest + 1} more nodes", style="dim")] if rest else []
    return Group(*lines, Text(""), *nodes, *more, *log)


def _paragraphs(nodes: Sequence[tuple[str, NodeActivity]], width: int) -> list[list[Text]]:
    """A paragraph for each node where the width does not allow a table with whole names; else none."""
    names = max(cell_len(plain(name)) for name, _ in nodes)
    roles = max(len(node.role) for _, node in nodes)
    if width >= NARROW or names + roles + _NARROW_NUMBERS <= width:
        return []
    return [paragraph(plain(name), _gauges(node), width) for name, node in nodes]


def _gauges(node: NodeActivity) -> list[str]:
    """Cells of the table about a node, in words."""
    layers = f"layers {_layers(node)}" if len(node.layers) > 1 else f"layer {_layers(node)}" if node.layers else ""
    memory = _memory(node)[1]
    return [node.role, *filter(None, [layers]), *([f"{memory} MiB"] if node.resources else []), _step(node).plain]


def _log(state: RunState, width: int) -> list[Text]:
    """Last lines of the workers' logs, below the nodes."""
    longest = min(max((cell_len(plain(node)) for node, _ in state.log), default=0), _NAME)
    lines = [Text(f"{plain(node)[:longest]:<{longest}} │ {plain(line)}"[:width]) for node, line in state.log]
    return [Text(""), *lines] if lines else []


def _headline(state: RunState, width: int) -> Table:
    """Phase and progress on the left, times on the right."""
    line = Table.grid(expand=True)
    line.width = width
    line.add_column(width=_LABEL)
    line.add_column(no_wrap=True, overflow="ellipsis", ratio=1)
    line.add_column(no_wrap=True, justify="right")
    phase = Text(state.phase, style=_PHASE_STYLES.get(state.phase, "bold"))
    times = duration(state.seconds)
    left = state.seconds_left if state.phase == "training" else None
    if left is not None:
        times += f", {'at most' if state.patience else 'about'} {duration(left)} left"
    place = _place(state)
    if _LABEL + cell_len(place) + 1 + len(times) > width:
        times = duration(state.seconds)
    line.add_row(phase, Text(place), Text(times))
    return line


def _place(state: RunState) -> str:
    if state.phase == "starting":
        return f"{state.ready} of {counted(len(state.nodes), 'node')} ready"
    if state.phase == "training":
        epoch = min(state.epochs_done + 1, state.epochs)
        step = "" if state.steps == 1 else f", step {state.step} of {state.steps}"
        return f"epoch {epoch} of {state.epochs}{', validating' if state.is_validating else step}"
    if state.phase == "testing":
        weights = f"with the weights of epoch {state.best.epoch}, " if state.best else ""
        return f"{weights}{'all neighbours' if state.tests_exactly else 'sampled neighbours'}"
    if state.phase == "ending":
        return "bringing the weights home"
    early = state.phase == "finished" and state.epochs_done < state.epochs
    why = f": no better validation for {epochs(state.patience)}" if early and state.patience else ""
    return f"after epoch {state.epochs_done} of {state.epochs}{why}"


def _bar(state: RunState, width: int) -> Table:
    line = Table.grid(padding=0)
    line.add_column(width=_LABEL)
    line.add_column(width=width - _LABEL - 6)
    line.add_column(width=6, justify="right")
    share = state.share_done
    line.add_row("", ProgressBar(total=1.0, completed=share), f"{share:.0%}")
    return line


def _learnt(state: RunState, width: int) -> list[Text]:
    """Loss and accuracies so far; on a narrow terminal broken between them."""
    last, best = state.last, state.best
    parts = [f"{'loss':<{_LABEL}}{fraction(state.loss)}"]
    if last:
        parts += learnt(last)
    if best and best.validation_accuracy is not None:
        parts.append(f"best {best.validation_accuracy:.4f} in epoch {best.epoch}")
    if width >= NARROW:
        return [Text("   ".join(parts), no_wrap=True, overflow="ellipsis")]
    told = "  ".join(part.replace(" ", HARD_SPACE) for part in parts)
    lines = textwrap.wrap(told, width, subsequent_indent=" " * _LABEL)
    return [Text(line.replace(HARD_SPACE, " ")) for line in lines]


def _nodes(nodes: Sequence[tuple[str, NodeActivity]], width: int) -> Table:
    """Table of the nodes: a narrow one without bars, a wide one with more numbers."""
    narrow, wide = width < NARROW, width >= _WIDE
    names = [plain(name) for name, _ in nodes]
    table = Table(box=None, pad_edge=False, padding=(0, 1 if narrow else 2, 0, 0), header_style="dim", width=width)
    longest_name, longest_role = max(map(cell_len, ["node", *names])), max(len(node.role) for _, node in nodes)
    for head, columns in (
        ("node", min(longest_name, _WIDE_NAME if wide else _NAME)),
        ("role", longest_role),
        ("layers", 6),
    ):
        table.add_column(head, width=columns, no_wrap=True, overflow="ellipsis")
    if not narrow:
        table.add_column("memory", ratio=1)
    for head, columns in (("MiB of limit", 15), *((("peak", 7), ("cores", 5), ("°C", 3), ("wait", 9)) if wide else ())):
        table.add_column(head, width=columns, no_wrap=True, justify="right")
    table.add_column("step", width=9, no_wrap=True, justify="right")
    for name, (_, node) in zip(names, nodes, strict=True):
        memory = _memory(node)[1 if narrow else 0 :]
        table.add_row(Text(name), node.role, _layers(node), *memory, *(_further(node) if wide else ()), _step(node))
    return table


def _layers(node: NodeActivity) -> str:
    return "–".join(map(str, dict.fromkeys((*node.layers[:1], *node.layers[-1:])))) or NOTHING


def _memory(node: NodeActivity) -> tuple[RenderableType, str]:
    """Bar and numbers of the memory in use, as far as they are known."""
    found = node.resources
    if found is None:
        return NOTHING, NOTHING
    used, limit = found.anonymous_bytes + found.engine_bytes, found.limit_bytes
    if not limit:
        return NOTHING, mebibytes(used)
    share = min(1.0, used / limit)
    style = fullness_style(share, "cyan")
    bar = ProgressBar(total=1.0, completed=share, complete_style=style, finished_style=style)
    return bar, f"{mebibytes(used)} of {mebibytes(limit)}"


def _further(node: NodeActivity) -> list[str]:
    found = node.resources
    heat = found.temperature_celsius if found else None
    return [
        mebibytes(found.peak_anonymous_bytes + found.peak_engine_bytes if found else None),
        f"{found.cpu_share:.1f}" if found else NOTHING,
        NOTHING if heat is None else f"{heat:.0f}",
        NOTHING if node.wait_ms is None else milliseconds(node.wait_ms),
    ]


def _step(node: NodeActivity) -> Text:
    """Time of the node's step; until there is one, the node's state."""
    if node.step_ms is None or node.doing in ("failed", "lost"):
        return Text(node.doing, style=_DOING_STYLES.get(node.doing, "dim"))
    return Text(milliseconds(node.step_ms))
