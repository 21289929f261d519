"""Files that appear whole: written aside and renamed; what a killed process leaves can be told from all else."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from picluster.refusals import refuse

_ASIDE = re.compile(r"\..+\.\d+(\.\w+)?")


@contextmanager
def written_aside(file: Path) -> Iterator[Path]:
    """Path to write to, renamed to `file` at the end; DataError where the disk does not take it."""
    aside = file.with_name(f".{file.stem}.{os.getpid()}{file.suffix.lower()}")
    try:
        try:
            yield aside
            aside.replace(file)
        finally:
            with suppress(OSError):
                aside.unlink()
    except OSError as error:
        refuse("write", file, error)


def remove_asides(folder: Path) -> None:
    """Remove what killed processes have written in a folder, and in those below it, without renaming it."""
    for file in folder.rglob(".*"):
        if _ASIDE.fullmatch(file.name) and file.is_file():
            file.unlink()
