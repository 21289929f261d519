"""Removes graph folders, and nothing else: each is looked at before any is touched."""

import os
import shlex
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from picluster.errors import DataError, InputError
from picluster.graph.folder import DTYPES, META_FILE, OPTIONAL_DTYPES, array_path
from picluster.graph.lock import is_held
from picluster.graph.names import PARTIAL_MARK


class Removable(NamedTuple):
    """A folder below graphs/ that may go."""

    path: Path
    is_link: bool
    """It lies elsewhere: the link goes, the folder stays."""
    bytes: int
    """So much space on the disk is given back."""


def look_at(graphs_folder: Path, names: Sequence[str]) -> list[Removable]:
    """The folders of these names, each once; damaged and partial ones too.

    InputError where one is not there, is no graph folder, or is being made.
    """
    return [_look(graphs_folder, name) for name in dict.fromkeys(names)]


def remove(folder: Removable) -> None:
    """Removes it. It disappears at once: nobody sees a part of it. DataError where that is not allowed."""
    try:
        if folder.is_link:
            folder.path.unlink()
            return
        aside = folder.path
        if PARTIAL_MARK not in aside.name:
            aside = aside.rename(aside.with_name(f"{aside.name}{PARTIAL_MARK}{os.getpid()}"))
        shutil.rmtree(aside)
    except OSError as error:
        what = f"{folder.path} cannot be removed: {error.strerror}"
        raise DataError(what, fix=f"see whose it is: ls -ld {shlex.quote(str(folder.path.parent))}") from None


def _look(graphs_folder: Path, name: str) -> Removable:
    path = graphs_folder / name
    if not name or "/" in name or "\0" in name or name.startswith("."):
        last = Path(name).name
        is_path = last and Path(name).parent in (graphs_folder, graphs_folder.absolute())
        fix = f"say its name alone: picluster dataset rm {shlex.quote(last)}" if is_path else "picluster dataset list"
        raise InputError(f"{name!r} is not the name of a graph in {graphs_folder}", fix=fix)
    if path.is_symlink():
        return Removable(path, is_link=True, bytes=0)
    if not path.is_dir():
        raise InputError(f"there is no graph {name!r} in {graphs_folder}", fix="picluster dataset list")
    if PARTIAL_MARK in name:
        if is_held(graphs_folder):
            raise InputError(f"{path} is being made by another process", fix="wait for it, or end it")
    else:
        _check_graph(path)
    sizes = [file.lstat() for file in path.rglob("*") if not file.is_dir()]
    return Removable(path, is_link=False, bytes=sum(each.st_size for each in sizes if each.st_nlink == 1))


def _check_graph(path: Path) -> None:
    """InputError where something lies there that no graph folder has."""
    known = {META_FILE, *(array_path(path, array).name for array in (DTYPES | OPTIONAL_DTYPES))}
    strange = sorted(file.name for file in path.iterdir() if file.name not in known or file.is_dir())
    if strange:
        shown = ", ".join(strange[:3]) + (" …" if len(strange) > 3 else "")  # noqa: PLR2004
        what = f"{path} holds {shown}, which no graph folder has"
        raise InputError(what, fix=f"move that away; or remove all of it: rm -r {shlex.quote(str(path))}")
