"""A comparison as a picture: test accuracy, time and memory of every row."""

from __future__ import annotations

from pathlib import Path

from picluster.controller.drawing.style import check_picture, written_aside
from picluster.schema.comparison import Comparison


def check_chart(file: Path) -> None:
    """Raise InputError where no picture can be written to that file."""
    check_picture(file, "--chart")


def draw_comparison(found: Comparison, file: Path) -> None:
    """Write `file`, whose suffix is .png, .svg or .pdf; the same comparison gives the same bytes.

    InputError as `check_chart`; DataError where the disk does not take it.
    """
    from picluster.controller.comparison.bars import draw_bars

    check_chart(file)
    with written_aside(file) as aside:
        draw_bars(aside, found)
