"""Pictures over a run's time, a row for each node above one axis; lines stand at what befell the run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

from matplotlib.figure import Figure

from picluster.controller.drawing.style import picture_settings
from picluster.controller.page.course import Course, Happening, Line, NodeCourse
from picluster.controller.page.svg import ALARM, COMPUTE, FAINT, GRID, INK, LETTERS, SEND, SIZE, WIDTH, as_svg, calm
from picluster.wording import duration, printable

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_ROW, _HEAD, _FOOT = 0.86, 0.2, 0.42
"""Heights in inches: of a node's row, and above and below all rows."""
_MEBIBYTE = 1 << 20
_STEEP = 4.0
"""Height of a row of steps' times, in usual ones: longer steps leave it, so that the usual ones can be read."""
_FAR = 2.0
"""Ratio of a limit to what is used from which it is told, and not drawn."""


def draw_step_times(course: Course) -> str:
    """Time of a step over the run, a row for each node."""

    def row(axes: Axes, node: NodeCourse) -> str:
        _band(axes, node.step_ms, 1.0, COMPUTE)
        usual = sorted(node.step_ms.middle)[len(node.step_ms.middle) // 2]
        axes.set_ylim(0, min(_STEEP * usual, 1.1 * max(node.step_ms.high)))
        return f"{usual:,.0f} ms usual, {max(node.step_ms.high):,.0f} ms at most"

    return _rows(course, [node for node in course.nodes if node.step_ms.seconds], row)


def draw_memory(course: Course) -> str:
    """Memory over the run, a row for each node, against its limit."""

    def row(axes: Axes, node: NodeCourse) -> str:
        _band(axes, node.own_bytes, _MEBIBYTE, COMPUTE)
        files = [size / _MEBIBYTE for size in node.resident_bytes.high]
        axes.plot(node.resident_bytes.seconds, files, color=SEND, linestyle="--", linewidth=1.2)
        axes.set_ylim(0, 1.1 * max(files))
        limit = (node.limit_bytes or 0) / _MEBIBYTE
        if 0 < limit < _FAR * max(files):
            axes.axhline(limit, color=ALARM, linestyle=(0, (6, 2, 1, 2)), linewidth=1.2)
            axes.set_ylim(0, max(limit, *files) * 1.1)
        told = f", limit {limit:,.0f}" if limit else ""
        return f"own {max(node.own_bytes.high) / _MEBIBYTE:,.0f}, with files {max(files):,.0f}{told} MiB"

    return _rows(course, [node for node in course.nodes if node.own_bytes.seconds], row)


def draw_temperature(course: Course) -> str:
    """Temperature over the run, a row for each node that has a sensor; empty where none has."""

    def row(axes: Axes, node: NodeCourse) -> str:
        _band(axes, node.celsius, 1.0, ALARM)
        axes.set_ylim(min(30.0, *node.celsius.low), max(85.0, *node.celsius.high))
        return f"{max(node.celsius.high):.0f} °C at most"

    return _rows(course, [node for node in course.nodes if node.celsius.seconds], row)


def _rows(course: Course, nodes: Sequence[NodeCourse], row: Callable[[Axes, NodeCourse], str]) -> str:
    """Rows of nodes over one time axis; `row` draws into one and returns its figures in words."""
    if not nodes:
        return ""
    height = _HEAD + _ROW * len(nodes) + _FOOT
    end = max([line.seconds[-1] for node in course.nodes for line in (node.step_ms, node.own_bytes) if line.seconds])
    end = max([end, *(moment.seconds for moment in course.moments)])
    with picture_settings():
        figure = Figure(figsize=(WIDTH, height))
        for place, node in enumerate(nodes):
            axes = _row(figure, place, height)
            axes.set_ylim(bottom=0)
            words = row(axes, node)
            axes.set_xlim(0, end * 1.01)
            axes.set_title(printable(node.name, LETTERS), loc="left", size=SIZE, weight="bold", color=INK, pad=4)
            axes.set_title(words, loc="right", size=SIZE, color=INK, pad=4)
            axes.locator_params(axis="y", nbins=2)
            axes.tick_params(axis="x", labelbottom=place == len(nodes) - 1)
            axes.xaxis.set_major_formatter(lambda seconds, _: duration(seconds))
            _mark(axes, course.moments, end, named=place == 0)
        foot = 0.05 / height
        figure.text(0.55, foot, "time since the run began", size=SIZE, color=FAINT, ha="center")
        return as_svg(figure)


def _row(figure: Figure, place: int, height: float) -> Axes:
    """Axes of a row, counted from above."""
    bottom = (height - _HEAD - _ROW * (place + 1) + 0.1) / height
    axes = figure.add_axes((0.115, bottom, 0.875, (_ROW - 0.34) / height))
    calm(axes)
    axes.grid(axis="y", color=GRID, linewidth=0.8)
    return axes


def _mark(axes: Axes, moments: Sequence[Happening], end: float, *, named: bool) -> None:
    """Lines at what befell the run; on the first row with their letters, where these have room."""
    for moment in moments:
        axes.axvline(moment.seconds, color=ALARM, linestyle=":", linewidth=1.4)
    if not named:
        return
    groups: list[list[Happening]] = [[moment] for moment in moments[:1]]
    for before, moment in pairwise(moments):
        if moment.seconds - before.seconds > 0.05 * end:
            groups.append([])
        groups[-1].append(moment)
    for group in groups:
        letters = "".join(moment.mark for moment in group)
        place = group[0].seconds / (end * 1.01)
        axes.annotate(
            letters, (place, 1), (0, 17), xycoords="axes fraction", textcoords="offset points",
            ha="center", size=SIZE, weight="bold", color=ALARM,
        )  # fmt: skip


def _band(axes: Axes, line: Line, unit: float, ink: str) -> None:
    """A line of medians within the band from the lowest to the highest values."""
    low, middle, high = ([value / unit for value in values] for values in (line.low, line.middle, line.high))
    axes.fill_between(line.seconds, low, high, color=ink, alpha=0.25, linewidth=0)
    axes.plot(line.seconds, middle, color=ink, linewidth=1.4)
    axes.set_ylim(0, max([*high, 1e-9]) * 1.1)
