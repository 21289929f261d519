"""The picture: bars of processor time, time and memory for each row."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from matplotlib.figure import Figure

from picluster.asides import written_aside
from picluster.controller.drawing.style import DOTS_PER_INCH, FAINT_INK, HUES, INK, NO_DATES, picture_settings
from scripts.bench_reddit.records import GOAL, Range, Results, RowSummary

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes

_WIDTH, _HEAD, _FOOT, _ROW = 16.0, 1.4, 0.5, 0.42
"""Inches."""
_PANELS = ((0.13, 0.2), (0.42, 0.2), (0.71, 0.2))
"""Left end and width of each panel, as shares of the picture."""
_OURS, _OTHERS, _FLOOR = HUES[0], HUES[1], FAINT_INK
_BAR = 0.62
_LOG_FROM = 10.0
_GIBIBYTE = 1 << 30


def draw(results: Results, ours: frozenset[str], file: Path) -> None:
    """Write `file`, a PNG or SVG; `ours` are the names of picluster's rows."""
    rows = [row for row in results.rows if row.runs]
    height = _HEAD + _FOOT + _ROW * len(rows)
    with written_aside(file) as aside, picture_settings():
        figure = Figure(figsize=(_WIDTH, height), dpi=DOTS_PER_INCH, facecolor="white")
        figure.text(0.02, 1 - 0.4 / height, _title(results), size=17, weight="bold", color=INK, va="center")
        figure.text(0.02, 1 - 0.75 / height, _subtitle(results), size=11, color=FAINT_INK, va="center")
        colours = [_OURS if row.row in ours else _FLOOR if row.row == "products" else _OTHERS for row in rows]
        third = [row.seconds_to_goal if results.settings.epochs else row.wall_seconds for row in rows]
        panels = (
            ("processor seconds of a step", [row.cpu_seconds for row in rows], "{:.2f}"),
            ("largest process, GiB anonymous", [_memory(row) for row in rows], "{:.2f}"),
            (f"seconds of training to {GOAL}" if results.settings.epochs else "seconds of a step", third, "{:,.2f}"),
        )
        for (left, width), (title, ranges, words) in zip(_PANELS, panels, strict=True):
            axes = figure.add_axes((left, _FOOT / height, width, _ROW * len(rows) / height))
            _bars(axes, title, ranges, colours, words)
            axes.set_yticks(range(len(rows)), [row.row for row in rows] if left == _PANELS[0][0] else [])
        figure.savefig(aside, format=aside.suffix.removeprefix("."), metadata=NO_DATES[aside.suffix])


def _title(results: Results) -> str:
    return f"GraphSAGE on {results.settings.dataset}: {results.nodes:,} nodes, {results.edges / 1e6:,.1f} million edges"


def _subtitle(results: Results) -> str:
    generated = "a generated graph; " if results.settings.dataset == "reddit-like" else ""
    cores = "one core" if results.settings.cores == 1 else f"{results.settings.cores} cores"
    return (
        f"{generated}fanout 25,10, 1,024 seeds a step, width 256; each row on {cores} of {results.machine.processor}; "
        f"median, least and most of {results.repeats}"
    )


def _memory(row: RowSummary) -> Range | None:
    """Peak of the process that needs most."""
    size = max((peak.anonymous_bytes / _GIBIBYTE for peak in row.peaks), default=None)
    return None if size is None else Range(median=size, least=size, most=size)


def _bars(axes: Axes, title: str, ranges: Sequence[Range | None], colours: Sequence[str], words: str) -> None:
    known = [found.most for found in ranges if found]
    is_log = bool(known) and max(known) > _LOG_FROM * min(known)
    axes.set_title(title + (", logarithmic" if is_log else ""), loc="left", color=INK, size=11, weight="bold", pad=8)
    axes.set_ylim(len(ranges) - 0.5, -0.5)
    if is_log:
        axes.set_xscale("log")
        axes.set_xlim(min(known) / 2, max(known))
    else:
        axes.set_xlim(0, max(known, default=1.0))
    for place, (found, colour) in enumerate(zip(ranges, colours, strict=True)):
        if found:
            axes.barh(place, found.median, height=_BAR, color=colour)
            axes.plot((found.least, found.most), (place, place), color=INK, linewidth=1.5)
        beside = axes.get_yaxis_transform()
        told = words.format(found.median) if found else "–"
        axes.annotate(told, (1, place), (8, 0), xycoords=beside, textcoords="offset points", va="center", color=INK)
    axes.set_xticks([])
    axes.minorticks_off()
    axes.tick_params(colors=INK, labelsize=10, length=0)
    axes.spines[:].set_visible(False)
