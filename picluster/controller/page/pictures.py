"""Pictures of what was learnt, over epochs, and of a step's time, node by node; dashes and hatches beside colours."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from picluster.controller.drawing.style import picture_settings
from picluster.controller.page.course import Course
from picluster.controller.page.sentences import median_of
from picluster.controller.page.svg import (
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
from picluster.schema.report import NodeReport, Report
from picluster.wording import duration, printable

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_BAR, _CURVE, _FOOT = 0.62, 2.5, 0.42
"""Heights in inches: of a node's bar, of a curve, and below bars."""
_MARKED = 60
"""Most epochs that have a mark each."""


def draw_loss(report: Report, course: Course) -> str:
    """Loss of each epoch, of training and of validation."""
    epochs = [each.epoch for each in report.epochs]
    figure, axes = _curve(epochs, course)
    _plot(axes, epochs, [each.loss for each in report.epochs], "training", COMPUTE, "o", "-")
    _plot(axes, epochs, [each.validation_loss for each in report.epochs], "validation", SEND, "s", "--")
    return _finished(figure, axes, report)


def draw_accuracy(report: Report, course: Course) -> str:
    """Accuracy of each epoch, on training and validation nodes; empty where values are learnt."""
    if all((each.train_accuracy, each.validation_accuracy) == (None, None) for each in report.epochs):
        return ""
    epochs = [each.epoch for each in report.epochs]
    figure, axes = _curve(epochs, course)
    _plot(axes, epochs, [each.train_accuracy for each in report.epochs], "training, with dropout", COMPUTE, "o", "-")
    _plot(axes, epochs, [each.validation_accuracy for each in report.epochs], "validation", SEND, "s", "--")
    return _finished(figure, axes, report)


def draw_steps(nodes: Sequence[NodeReport]) -> str:
    """A bar for each node: the parts of a step, in ms."""
    timed = [node for node in nodes if node.step_ms]
    if not timed:
        return ""
    height = _BAR * len(timed) + _FOOT
    with picture_settings():
        figure = Figure(figsize=(WIDTH, height))
        axes = figure.add_axes((0.01, _FOOT / height, 0.98, 1 - _FOOT / height))
        for place, node in enumerate(timed):
            _bar(axes, place, node)
        axes.set_ylim(len(timed) - 0.45, -0.75)
        axes.set_yticks([])
        calm(axes)
        axes.set_xlabel("ms of a step (medians of its parts)", size=SIZE, color=FAINT)
        return as_svg(figure)


def _curve(epochs: Sequence[int], course: Course) -> tuple[Figure, Axes]:
    """Axes over epochs, with the time at some of them above."""
    with picture_settings():
        figure = Figure(figsize=(WIDTH, _CURVE))
        axes = figure.add_axes((0.115, 0.18, 0.865, 0.62))
        calm(axes)
        axes.grid(axis="y", color=GRID, linewidth=0.8)
        axes.set_xlabel("epoch", size=SIZE, color=FAINT)
        axes.xaxis.set_major_locator(MaxNLocator(8, integer=True))
        if epochs:
            some = sorted({round(place * (len(epochs) - 1) / 4) for place in range(5)})
            above = axes.secondary_xaxis("top")
            above.set_xticks([epochs[i] for i in some], [duration(course.epoch_seconds[i]) for i in some])
            above.tick_params(colors=FAINT, labelsize=SIZE - 1, length=2, pad=1)
            above.spines[:].set_visible(False)
    return figure, axes


def _plot(
    axes: Axes, epochs: Sequence[int], values: Sequence[float | None], label: str, ink: str, mark: str, dashes: str
) -> None:
    known = [(epoch, value) for epoch, value in zip(epochs, values, strict=True) if value is not None]
    if known:
        marker = mark if len(known) <= _MARKED else ""
        axes.plot(*zip(*known, strict=True), label=label, color=ink, marker=marker, markersize=4, linestyle=dashes)


def _finished(figure: Figure, axes: Axes, report: Report) -> str:
    """The picture with a line at the best epoch, and the words for its lines."""
    with picture_settings():
        if report.best_epoch is not None:
            axes.axvline(report.best_epoch, color=INK, linestyle=":", linewidth=1.2, label="best epoch")
        if report.epochs:
            axes.legend(
                frameon=False, fontsize=SIZE - 0.5, labelcolor=INK, ncols=3, loc="lower right",
                bbox_to_anchor=(1.0, 1.09), borderpad=0, handlelength=2.4, columnspacing=1,
            )  # fmt: skip
        return as_svg(figure)


def _bar(axes: Axes, place: int, node: NodeReport) -> None:
    """The parts of a node's step one after another, and its name and figures above them."""
    compute, wait, send = (median_of(measured) for measured in (node.compute_ms, node.wait_ms, node.send_ms))
    left = 0.0
    for width, ink, hatch in ((compute, COMPUTE, ""), (wait, WAIT, "//"), (send, SEND, "xxx")):
        axes.barh(place, width, left=left, height=0.42, color=ink, hatch=hatch, edgecolor=PAPER, linewidth=0.8)
        left += width
    name = f"{printable(node.name, LETTERS)} · {node.role}"
    figures = f"compute {compute:,.0f}, wait {wait:,.0f}, send {send:,.0f} ms"
    across = axes.get_yaxis_transform()
    axes.text(0, place - 0.3, name, transform=across, size=SIZE, weight="bold", color=INK)
    axes.text(1, place - 0.3, figures, transform=across, size=SIZE, color=INK, ha="right")
