"""Pictures over a run's time, a row for each node above one axis; lines stand at what befell the run."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from statistics import fmean, median
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MultipleLocator

from picluster.controller.drawing.style import picture_settings
from picluster.controller.page.course import Course, Happening, NodeCourse
from picluster.controller.page.lines import STRETCHES, Line
from picluster.controller.page.svg import (
    ALARM,
    COMPUTE,
    FAINT,
    GRID,
    INK,
    LETTERS,
    PAPER,
    SEND,
    SIZE,
    WAIT,
    WIDTH,
    as_svg,
    calm,
)
from picluster.wording import duration, printable

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_ROW, _HEAD, _FOOT = 0.86, 0.2, 0.42
"""Heights in inches: of a node's row, and above and below all rows."""
_ROUND_SECONDS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1_800, 3_600, 7_200, 10_800, 21_600, 43_200)
_MEBIBYTE = 1 << 20
_STEEP = 4.0
"""Height of a row of steps' times, in usual ones: longer steps leave it, so that the usual ones can be read."""
_FAR = 2.0
"""Ratio of a limit to what is used from which it is told, and not drawn."""


def draw_time_use(course: Course) -> str:
    """Shares of the run's time at work, waiting and sending, a row for each node; blank outside of steps."""
    edges = np.linspace(0.0, course.seconds, STRETCHES + 1)

    def row(axes: Axes, node: NodeCourse) -> str:
        use, below, words = node.time_use, np.zeros(STRETCHES), []
        for name, shares, ink, hatch in (
            ("compute", use.compute, COMPUTE, ""),
            ("wait", use.wait, WAIT, "//"),
            ("send", use.send, SEND, "xxx"),
        ):
            above = below + shares
            axes.stairs(above, edges, baseline=below, fill=True, color=ink, hatch=hatch, edgecolor=PAPER, linewidth=0)
            words.append(f"{name} {fmean(shares):.0%}")
            below = above
        axes.set_ylim(0, 1)
        axes.yaxis.set_major_formatter(lambda share, _: f"{share:.0%}")
        return f"{', '.join(words)} of all time"

    return _rows(course, [node for node in course.nodes if node.time_use.compute], row)


def draw_step_times(course: Course) -> str:
    """Time of a step over the run, a row for each node."""

    def row(axes: Axes, node: NodeCourse) -> str:
        _bands(axes, node.step_ms, 1.0, COMPUTE)
        usual, longest = median(value for line in node.step_ms for value in line.middle), _highest(node.step_ms)
        axes.set_ylim(0, min(_STEEP * usual, 1.1 * longest))
        return f"{usual:,.0f} ms usual, {longest:,.0f} ms at most"

    return _rows(course, [node for node in course.nodes if node.step_ms], row)


def draw_memory(course: Course) -> str:
    """Memory over the run, a row for each node, against its limit."""

    def row(axes: Axes, node: NodeCourse) -> str:
        _bands(axes, node.own_bytes, _MEBIBYTE, COMPUTE)
        for line in node.resident_bytes:
            files = [size / _MEBIBYTE for size in line.high]
            axes.plot(line.seconds, files, color=SEND, linestyle="--", linewidth=1.2)
        limit, most = (node.limit_bytes or 0) / _MEBIBYTE, _highest(node.resident_bytes) / _MEBIBYTE
        axes.set_ylim(0, 1.1 * most)
        if 0 < limit < _FAR * most:
            axes.axhline(limit, color=ALARM, linestyle=(0, (6, 2, 1, 2)), linewidth=1.2)
            axes.set_ylim(0, max(limit, most) * 1.1)
        told = f", limit {limit:,.0f}" if limit else ""
        return f"own {_highest(node.own_bytes) / _MEBIBYTE:,.0f}, with files {most:,.0f}{told} MiB"

    return _rows(course, [node for node in course.nodes if node.own_bytes], row)


def draw_temperature(course: Course) -> str:
    """Temperature over the run, a row for each node that has a sensor; empty where none has."""

    def row(axes: Axes, node: NodeCourse) -> str:
        _bands(axes, node.celsius, 1.0, ALARM)
        lowest, highest = min(value for line in node.celsius for value in line.low), _highest(node.celsius)
        axes.set_ylim(min(30.0, lowest), max(85.0, highest))
        return f"{highest:.0f} °C at most{_held_back(axes, node)}"

    return _rows(course, [node for node in course.nodes if node.celsius], row)


def draw_clock(course: Course) -> str:
    """Clock of the processor over the run, a row for each node whose firmware tells it; empty where none does."""

    def row(axes: Axes, node: NodeCourse) -> str:
        _bands(axes, node.clock_mhz, 1.0, COMPUTE)
        lowest, highest = min(value for line in node.clock_mhz for value in line.low), _highest(node.clock_mhz)
        axes.set_ylim(0, 1.1 * highest)
        return f"{lowest:,.0f} to {highest:,.0f} MHz{_held_back(axes, node)}"

    return _rows(course, [node for node in course.nodes if node.clock_mhz], row)


def _held_back(axes: Axes, node: NodeCourse) -> str:
    """Hatch the spans in which the firmware held the processor back; returns how long they are, in words."""
    for begin, end in node.throttled:
        axes.axvspan(begin, end, facecolor="none", edgecolor=ALARM, hatch="\\\\", linewidth=0)
    seconds = sum(end - begin for begin, end in node.throttled)
    return f", held back for {duration(seconds)}" if node.throttled else ""


def _rows(course: Course, nodes: Sequence[NodeCourse], row: Callable[[Axes, NodeCourse], str]) -> str:
    """Rows of nodes over one time axis; `row` draws into one and returns its figures in words."""
    if not nodes:
        return ""
    height = _HEAD + _ROW * len(nodes) + _FOOT
    with picture_settings():
        figure = Figure(figsize=(WIDTH, height))
        for place, node in enumerate(nodes):
            axes = _row(figure, place, height)
            axes.set_ylim(bottom=0)
            words = row(axes, node)
            axes.set_xlim(0, course.seconds * 1.01)
            axes.set_title(printable(node.name, LETTERS), loc="left", size=SIZE, weight="bold", color=INK, pad=4)
            axes.set_title(words, loc="right", size=SIZE, color=INK, pad=4)
            axes.locator_params(axis="y", nbins=2)
            axes.xaxis.set_major_locator(MultipleLocator(_between_ticks(course.seconds)))
            axes.xaxis.set_major_formatter(lambda seconds, _: duration(seconds))
            axes.xaxis.set_visible(place == len(nodes) - 1)
            _mark(axes, course.moments, course.seconds, named=place == 0)
        foot = 0.05 / height
        figure.text(0.55, foot, "time since the run began", size=SIZE, color=FAINT, ha="center")
        return as_svg(figure)


def _between_ticks(seconds: float) -> int:
    """Seconds from tick to tick: a round time, at most eight of which pass in the run's."""
    days = (count * 86_400 for count in itertools.count(1))
    return next(span for span in itertools.chain(_ROUND_SECONDS, days) if 8 * span > seconds)


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
    for before, moment in itertools.pairwise(moments):
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


def _bands(axes: Axes, lines: Sequence[Line], unit: float, ink: str) -> None:
    """Lines of medians, each within the band from the lowest to the highest values."""
    for line in lines:
        low, middle, high = ([value / unit for value in values] for values in (line.low, line.middle, line.high))
        axes.fill_between(line.seconds, low, high, color=ink, alpha=0.25, linewidth=0)
        axes.plot(line.seconds, middle, color=ink, linewidth=1.4)


def _highest(lines: Sequence[Line]) -> float:
    return max(value for line in lines for value in line.high)
