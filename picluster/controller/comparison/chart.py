"""Bars for the rows of a comparison, 1600 pixels wide: test accuracy, time of a run, memory of the largest node."""

import textwrap
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from picluster.asides import written_aside
from picluster.controller.comparison.notes import unlike_words
from picluster.controller.comparison.row_words import common_words, names_of, seconds_words, words_apart
from picluster.controller.drawing.style import (
    DOTS_PER_INCH,
    FAINT_INK,
    HUES,
    INK,
    NO_DATES,
    check_picture,
    mixed,
    picture_settings,
)
from picluster.schema.comparison import ComparedRow, Comparison
from picluster.wording import printable

_WIDTH = 16.0
_HEAD, _WARNING, _FOOT, _ROW = 1.5, 0.25, 0.5, 0.6
"""Inches, as the width."""
_TITLE_LETTERS, _LINE_LETTERS, _MOST_LINES = 60, 180, 4
_PANELS = ((0.22, 0.27), (0.61, 0.11), (0.84, 0.085))
"""Left end and width of accuracy, time and memory, as shares of the picture; their numbers stand to the right."""
_NUMBER, _NAME = 0.02, 0.042
"""Left ends of a row's number and name."""
_LETTERS, _SMALL_LETTERS = 31, 36
"""Most letters that have room in the two lines of a name."""
_LOG_FROM = 30.0
"""Ratio of the largest to the smallest value from which an axis is logarithmic."""
_BAR = 0.6
_TRACK = "#F1F3F5"
_FAILED = "#B42318"
_MEBIBYTE = 1 << 20


def draw_comparison(found: Comparison, file: Path) -> None:
    """Write `file`, whose suffix is .png, .svg or .pdf; the same comparison gives the same bytes.

    InputError where it cannot be written there; DataError where the disk does not take it.
    """
    check_picture(file, "--chart")
    rows, warnings = found.rows, _warnings(found)
    height = _HEAD + _WARNING * len(warnings) + _FOOT + _ROW * len(rows)
    with written_aside(file) as aside, picture_settings():
        figure = Figure(figsize=(_WIDTH, height), dpi=DOTS_PER_INCH, facecolor="white")
        figure.text(_NUMBER, 1 - 0.45 / height, _title(rows), size=20, weight="bold", color=INK, va="center")
        figure.text(_NUMBER, 1 - 0.85 / height, _subtitle(rows), size=12, color=FAINT_INK, va="center")
        for place, (words, ink) in enumerate(warnings):
            above = 1 - (1.15 + _WARNING * place) / height
            figure.text(_NUMBER, above, words, size=10, color=ink, va="center")
        bottom, tall = _FOOT / height, _ROW * len(rows) / height
        accuracy, time, memory = (figure.add_axes((left, bottom, width, tall)) for left, width in _PANELS)
        apart = next(iter(words_apart(rows).values()), [""] * len(rows))  # of the first column that tells rows apart
        distinct = list(dict.fromkeys(apart))
        colours = [HUES[distinct.index(word) % len(HUES)] for word in apart]
        _draw_accuracy(accuracy, rows, colours)
        _draw_time(time, rows, colours)
        _draw_memory(memory, rows, colours)
        _name_rows(accuracy, rows)
        figure.savefig(aside, format=aside.suffix.removeprefix("."), metadata=NO_DATES[aside.suffix])


def _title(rows: Sequence[ComparedRow]) -> str:
    """Title: a model and its data, or the number of each."""
    models, data = ({getattr(row, name): None for row in rows} for name in ("model", "dataset"))
    model = next(iter(models)) if len(models) == 1 else f"{len(models)} models"
    graph = next(iter(data)) if len(data) == 1 else f"{len(data)} graphs"
    return f"{printable(model, _TITLE_LETTERS)} on {printable(graph, _TITLE_LETTERS)}"


def _subtitle(rows: Sequence[ComparedRow]) -> str:
    shared = [word for head, word in common_words(rows).items() if head not in ("model", "data")]
    inall = f"; in all {', '.join(shared)}" if shared and len(rows) > 1 else ""
    most = max(row.finished for row in rows)
    if most <= 1:
        return f"one run a row{inall}"
    runs = f"{most} runs" if len({row.finished for row in rows}) == 1 else f"up to {most} runs"
    return f"mean of {runs} a row; a dot is a run, a line one standard deviation to either side{inall}"


def _warnings(found: Comparison) -> list[tuple[str, str]]:
    """Lines on settings that rows do not share, each with its colour."""
    lines = []
    if found.unlike:
        words = "differ: " + " · ".join(printable(unlike_words(each), _LINE_LETTERS) for each in found.unlike)
        wrapped = textwrap.wrap(words, _LINE_LETTERS, break_on_hyphens=False)
        if len(wrapped) > _MOST_LINES:
            wrapped[_MOST_LINES - 1 :] = [f"{wrapped[_MOST_LINES - 1][: _LINE_LETTERS - 20]} … and more"]
        lines += [(line, INK) for line in wrapped]
    for why in found.incomparable:
        lines += [(line, _FAILED) for line in textwrap.wrap(printable(why, 2 * _LINE_LETTERS), _LINE_LETTERS)]
    return lines


def _name_rows(axes: Axes, rows: Sequence[ComparedRow]) -> None:
    """Write number and name of each row, left of the first panel."""
    left, width = _PANELS[0]
    number, name = (_NUMBER - left) / width, (_NAME - left) / width
    beside = axes.get_yaxis_transform()
    for place, (row, words) in enumerate(zip(rows, names_of(rows), strict=True)):
        axes.text(number, place, str(row.number), transform=beside, va="center", color=FAINT_INK)
        first, rest = _two_lines(words)
        above, below = (place - 0.16, place + 0.19) if rest else (place, place)
        axes.text(name, above, first, transform=beside, va="center", color=INK)
        axes.text(name, below, rest, transform=beside, va="center", color=FAINT_INK, size=9.5)


def _two_lines(words: Sequence[str]) -> tuple[str, str]:
    """Name in two lines: its first word, then the others; where these are too long, some join the first."""
    first, *rest = words
    while rest and len(" · ".join(rest)) > _SMALL_LETTERS and len(f"{first} · {rest[0]}") <= _LETTERS:
        first = f"{first} · {rest.pop(0)}"
    return _cut(first, _LETTERS), _cut(" · ".join(rest), _SMALL_LETTERS)


def _cut(words: str, letters: int) -> str:
    return words if len(words) <= letters else f"{words[: letters - 1]}…"


def _draw_accuracy(axes: Axes, rows: Sequence[ComparedRow], colours: Sequence[str]) -> None:
    _begin(axes, "test accuracy", len(rows))
    axes.set_xlim(0, 1)
    axes.set_xticks([0, 0.25, 0.5, 0.75, 1], ["0", "0.25", "0.5", "0.75", "1"])
    axes.barh(range(len(rows)), 1, height=_BAR, color=_TRACK, zorder=0)
    for place, (row, colour) in enumerate(zip(rows, colours, strict=True)):
        found = row.test_accuracy
        if found is None:
            _tell(axes, place, "–" if row.finished else row.runs[-1].status, FAINT_INK if row.finished else _FAILED)
            continue
        axes.barh(place, found.mean, height=_BAR, color=colour, zorder=1)
        deviation = found.standard_deviation
        if deviation is not None:
            _draw_runs(axes, place, row, colour)
            axes.errorbar(found.mean, place, xerr=deviation, fmt="none", ecolor=INK, elinewidth=2, capsize=5, zorder=4)
        _tell(axes, place, f"{found.mean:.4f}" + ("" if deviation is None else f" ± {deviation:.4f}"), INK)


def _draw_runs(axes: Axes, place: int, row: ComparedRow, colour: str) -> None:
    """Draw a dot for each run, in the order of seeds from the top down, so that none hides another."""
    values = [run.test_accuracy for run in row.finished_runs if run.test_accuracy is not None]
    heights = place + np.linspace(-0.4, 0.4, len(values)) * _BAR
    axes.scatter(values, heights, s=14, color=mixed(colour, 0, 55), edgecolors="white", linewidths=0.6, zorder=3)


def _draw_time(axes: Axes, rows: Sequence[ComparedRow], colours: Sequence[str]) -> None:
    """Draw the time of each row; the paler part is pre-training, which ran once."""
    own = [row.seconds.mean if row.seconds else None for row in rows]
    before = [row.pretraining.seconds or 0.0 if row.pretraining else 0.0 for row in rows]
    title = "time of a run + pre-training" if any(before) else "time of a run"
    wholes = [None if time is None else time + more for time, more in zip(own, before, strict=True)]
    _begin(axes, title + _scale(axes, [*own, *wholes]), len(rows))
    for place, (time, more, colour) in enumerate(zip(own, before, colours, strict=True)):
        if time is not None:
            axes.barh(place, time + more, height=_BAR, color=mixed(colour, 255, 60), zorder=1)
            axes.barh(place, time, height=_BAR, color=colour, zorder=2)
            _tell(axes, place, seconds_words(time) + (f" + {seconds_words(more)}" if more else ""), INK)


def _draw_memory(axes: Axes, rows: Sequence[ComparedRow], colours: Sequence[str]) -> None:
    sizes = [max((peak.anonymous_bytes for peak in row.memory), default=None) for row in rows]
    _begin(axes, "largest node's memory" + _scale(axes, sizes), len(rows))
    for place, (size, colour) in enumerate(zip(sizes, colours, strict=True)):
        if size is not None:
            axes.barh(place, size, height=_BAR, color=colour, zorder=1)
            _tell(axes, place, f"{size / _MEBIBYTE:,.0f} MiB", INK)


def _scale(axes: Axes, values: Sequence[float | None]) -> str:
    """Set an axis from its values, and say so where it is logarithmic."""
    known = [value for value in values if value]
    largest = max(known, default=1.0)
    if known and largest > _LOG_FROM * min(known):
        axes.set_xscale("log")
        axes.set_xlim(min(known) / 2, largest)
        return ", logarithmic"
    axes.set_xlim(0, largest)
    return ""


def _begin(axes: Axes, title: str, rows: int) -> None:
    """Set up a panel: rows from the top down, without a frame."""
    axes.set_ylim(rows - 0.5, -0.5)
    axes.set_title(title, loc="left", color=INK, size=11, weight="bold", pad=8)
    axes.set_yticks([])
    axes.set_xticks([])
    axes.minorticks_off()
    axes.tick_params(colors=FAINT_INK, labelsize=9, length=0)
    axes.spines[:].set_visible(False)


def _tell(axes: Axes, place: int, words: str, colour: str) -> None:
    """Write a row's number to the right of a panel."""
    right = axes.get_yaxis_transform()
    axes.annotate(words, (1, place), (8, 0), xycoords=right, textcoords="offset points", va="center", color=colour)
