"""From the name of a data set to its graph folder, made where it is not there yet."""

import contextlib
import fcntl
import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

from picluster.errors import DataError, InputError
from picluster.graph import planetoid
from picluster.graph.folder import DTYPES, GraphFolder
from picluster.graph.reddit_like import write_reddit_like
from picluster.graph.writer import PARTIAL_MARK

REDDIT_LIKE = "reddit-like"
KNOWN = (*planetoid.NAMES, REDDIT_LIKE)
DEFAULT_SCALE = 0.01
SMALLEST_SCALE, LARGEST_SCALE = 0.001, 2.0
"""Below, the 41 classes have hardly any nodes; above, 32-bit sizes and ordinary disks come to their ends."""
LOCK_TIMEOUT_S = 900
"""So long one waits for another process that prepares in the same place."""

_SEED = 0
"""The generated graph is a data set like any other: its seed is not the run's."""
_LOCK_POLL_S = 0.1


def default_input_folder() -> Path:
    """Where raw files are looked for: $PICLUSTER_INPUT, else `input`."""
    return Path(os.environ.get("PICLUSTER_INPUT") or "input")


def dataset_folder_name(name: str, scale: float = DEFAULT_SCALE, feature_dtype: str = "float16") -> str:
    """Such as `cora`, `reddit-like-0.01` or `cora-fp32`. InputError for what there is not."""
    if name not in KNOWN:
        raise InputError(f"there is no data set {name!r}", fix=f"choose one of {', '.join(KNOWN)}")
    if feature_dtype not in DTYPES["features"]:
        raise InputError(f"features cannot be {feature_dtype!r}", fix=f"choose {' or '.join(DTYPES['features'])}")
    if name == REDDIT_LIKE and not SMALLEST_SCALE <= scale <= LARGEST_SCALE:
        fix = f"choose one from {SMALLEST_SCALE:g} to {LARGEST_SCALE:g}; 1 is Reddit's full size"
        raise InputError(f"scale {scale:g} is out of range", fix=fix)
    size = f"-{scale:.10g}" if name == REDDIT_LIKE else ""
    return name + size + ("-fp32" if feature_dtype == "float32" else "")


def prepare(
    name: str,
    *,
    graphs_folder: Path,
    input_folder: Path,
    scale: float = DEFAULT_SCALE,
    feature_dtype: str = "float16",
    force: bool = False,
) -> GraphFolder:
    """The graph folder of a data set below `graphs_folder`; made where it is missing, or always with `force`.

    `scale` counts for generated graphs only. InputError for an unknown name, scale or dtype; DataError where the raw
    files cannot be had, the folder is damaged, or the disk is full; MissingError where PyG is needed and missing.
    """
    path = graphs_folder / dataset_folder_name(name, scale, feature_dtype)
    try:
        graphs_folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(f"cannot make the folder {graphs_folder.absolute()}: {error.strerror}") from error
    if force or not path.exists():
        with _one_at_a_time(graphs_folder):
            if force or not path.exists():
                _remove_leftovers(path)
                _write(path, name, scale, feature_dtype, input_folder)
    return GraphFolder.open(path)


def _write(path: Path, name: str, scale: float, feature_dtype: str, input_folder: Path) -> None:
    if name == REDDIT_LIKE:
        write_reddit_like(path, scale=scale, seed=_SEED, feature_dtype=feature_dtype)
    else:
        planetoid.write_planetoid(path, name=name, input_folder=input_folder, feature_dtype=feature_dtype)


def _remove_leftovers(path: Path) -> None:
    """Under the lock, whatever is partial was left by a process that is dead."""
    for leftover in path.parent.glob(f"{path.name}{PARTIAL_MARK}*"):
        shutil.rmtree(leftover, ignore_errors=True)


@contextlib.contextmanager
def _one_at_a_time(graphs_folder: Path) -> Iterator[None]:
    """Makes others wait. The kernel gives the lock back when its holder dies."""
    with (graphs_folder / ".lock").open("w") as file:
        _lock(file, time.monotonic() + LOCK_TIMEOUT_S)
        yield


def _lock(file: TextIO, deadline: float) -> None:
    while True:
        try:
            return fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                what = f"another process has been holding {file.name} for more than {LOCK_TIMEOUT_S} s"
                raise DataError(what, fix="end that process, or choose another graphs folder") from None
            time.sleep(_LOCK_POLL_S)
