"""Settings that all pictures share: their types, fonts, and files that appear whole and are the same each time."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from picluster.controller.record.output_file import check_output
from picluster.controller.record.record_files import refuse

DOTS_PER_INCH = 100
SETTINGS: Any = {
    "font.family": "DejaVu Sans",
    "font.size": 11,
    "axes.linewidth": 0.8,
    "svg.hashsalt": "picluster",  # otherwise the names of an SVG's parts would differ each time
    "text.parse_math": False,  # a class's name may contain dollars
}
NO_DATES: dict[str, dict[str, None]] = {".png": {}, ".svg": {"Date": None}, ".pdf": {"CreationDate": None}}


def check_picture(file: Path, option: str = "--output") -> None:
    """Raise InputError where no picture can be written to that file, which `option` names on the command line."""
    check_output(file, option, tuple(NO_DATES), "picture that can be drawn")


@contextmanager
def picture_settings() -> Iterator[None]:
    """Draw with these settings, whatever the person's own for plots are; letters that the font lacks are boxes."""
    import matplotlib as mpl

    with mpl.rc_context(), warnings.catch_warnings():
        mpl.rcdefaults()
        mpl.rcParams.update(SETTINGS)
        warnings.filterwarnings("ignore", message="Glyph")
        yield


@contextmanager
def written_aside(file: Path) -> Iterator[Path]:
    """Path to write to, renamed to `file` at the end; DataError where the disk does not take it."""
    aside = file.with_name(f".{file.stem}.{os.getpid()}{file.suffix.lower()}")
    try:
        yield aside
        aside.replace(file)
    except OSError as error:
        refuse("write", file, error)
    finally:
        aside.unlink(missing_ok=True)
