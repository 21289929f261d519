"""Checks of an output file that a person names, before the work that fills it begins."""

from __future__ import annotations

import os
import shlex
from collections.abc import Sequence
from pathlib import Path

from picluster.errors import InputError


def check_output(file: Path, option: str, suffixes: Sequence[str], kind: str) -> None:
    """Raise InputError where such a file cannot be written: its name ends in none of `suffixes`, for example.

    Likewise where its folder is missing or not writable, or it is a folder. `option` names the file on the command
    line; `kind` in the message, such as `picture that can be drawn`.
    """
    if os.path.isdir(file):  # noqa: PTH112  a Path raises what it cannot look at
        raise InputError(f"{file} is a folder", fix=f"name a file with {option}")
    if file.suffix.lower() not in suffixes:
        others = f", or {' or '.join(suffixes[1:])}" if len(suffixes) > 1 else ""
        fix = f"{option} {shlex.quote(str(file.with_suffix(suffixes[0])))}{others}"
        raise InputError(f"{file} is no kind of {kind}", fix=fix)
    if not os.path.isdir(file.parent):  # noqa: PTH112
        raise InputError(f"there is no folder {file.parent}", fix=f"make it, or choose another with {option}")
    if not os.access(file.parent, os.W_OK | os.X_OK):
        raise InputError(f"{file.parent.absolute()} cannot be written to", fix=f"choose another folder with {option}")
    try:
        file.stat()
    except FileNotFoundError:
        pass
    except OSError as error:
        raise InputError(f"{file} cannot be written: {error.strerror}", fix=f"choose another with {option}") from error
