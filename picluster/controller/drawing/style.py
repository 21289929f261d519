"""Settings that all pictures share: letters, and files that appear whole and are the same each time."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from picluster.controller.record.record_files import refuse

DOTS_PER_INCH = 100
SETTINGS: Any = {
    "font.family": "DejaVu Sans",
    "font.size": 11,
    "axes.linewidth": 0.8,
    # What an SVG's parts are called would otherwise be drawn anew each time.
    "svg.hashsalt": "picluster",
    # A name may be anything: what stands between dollars is no mathematics.
    "text.parse_math": False,
}
NO_DATES: dict[str, dict[str, None]] = {".png": {}, ".svg": {"Date": None}, ".pdf": {"CreationDate": None}}


@contextmanager
def our_settings() -> Iterator[None]:
    """Draw without regard to what the person has set for plots of their own; letters that the font lacks are boxes."""
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
