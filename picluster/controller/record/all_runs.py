"""The folders of all runs: a new one is made, one is found by its name, and all are listed."""

from __future__ import annotations

import glob
import secrets
import string
import time
from contextlib import suppress
from pathlib import Path

from picluster.controller.record.record_files import require_folder_or_nothing
from picluster.controller.record.run_folder import LETTERS, RunFolder
from picluster.errors import DataError, InputError, PiclusterError
from picluster.project import RUNS
from picluster.refusals import refuse


def new_letters() -> str:
    """Four random letters, by which a run is told from others of its name."""
    return "".join(secrets.choice(string.ascii_lowercase) for _ in range(LETTERS))


def create_run(model: str, dataset: str, root: Path = RUNS) -> RunFolder:
    """Make a new folder, named after date, model, data and four random letters."""
    date = time.strftime("%Y-%m-%d")
    path = root / f"{date}-{model}-{dataset}-{new_letters()}"
    try:
        str(root.absolute()).encode()
    except UnicodeEncodeError:  # it could not stand in a record
        what = f"the folder {str(root.absolute())!r} has a name that is not UTF-8"
        raise DataError(what, fix="rename it, or work in another folder") from None
    if root.is_symlink():
        require_folder_or_nothing(root)
    try:
        path.mkdir(parents=True)
    except OSError as error:
        refuse("make the run folder", path, error)
    return RunFolder(path)


def find_run(name: str | None, root: Path = RUNS) -> RunFolder:
    """Find the run of that name or path, or whose name ends with these four letters; without, the newest.

    InputError where there is none, or more than one.
    """
    require_folder_or_nothing(root)
    if name is None:
        runs = [RunFolder(file.parent) for file in root.glob("*/run.json")]
        if not runs:
            raise InputError(f"there are no runs in {root.absolute()}", fix="make one: picluster launch")
        return max(runs, key=_started)
    found = [path for path in (Path(name), root / name) if _holds_a_run(path)][:1]
    if not found and len(name) == LETTERS:
        found = sorted(path for path in root.glob(f"*-{glob.escape(name)}") if _holds_a_run(path))
    if not found:
        raise InputError(f"there is no run {name}", fix=f"see those in {root.absolute()}: picluster runs")
    if len(found) > 1:
        names = ", ".join(path.name for path in found)
        raise InputError(f"{len(found)} runs end with {name}: {names}", fix="give the whole name")
    return RunFolder(found[0])


def training_after(folder: RunFolder) -> RunFolder | None:
    """Find the training that the controller of a pre-training began when that was over; None where there is none."""
    if not folder.training_file.exists():
        return None
    leader = folder.controller()
    for other in reversed(every_run(folder.path.parent)):
        with suppress(PiclusterError):  # a damaged run folder
            run = other.run()
            if run.pretraining == folder.name and (run.controller.pid, run.controller.started) == (
                leader.pid,
                leader.started,
            ):
                return other
    return None


def every_run(root: Path) -> list[RunFolder]:
    """Folders of all runs, whether they can be read or not. DataError where these cannot be listed."""
    require_folder_or_nothing(root)
    try:
        paths = sorted(path for path in root.iterdir() if path.is_dir() and not path.name.startswith("."))
    except FileNotFoundError:
        return []
    except OSError as error:
        refuse("list the runs in", root, error)
    return [RunFolder(path) for path in paths]


def _started(folder: RunFolder) -> float:
    """Start of a run; a folder that cannot be read must not hide the others."""
    try:
        return folder.run().started
    except PiclusterError:
        return folder.run_file.stat().st_mtime


def _holds_a_run(path: Path) -> bool:
    """True where a folder holds a run, or may hold one because it cannot be looked into: reading it then says why."""
    try:
        return (path / "run.json").exists()
    except PermissionError:
        return True
    except OSError:  # such as a name that is too long
        return False
