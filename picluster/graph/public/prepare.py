"""Preparation of a data set: from its name to its graph folder, made where it is missing."""

import os
import shlex
from pathlib import Path

from picluster.errors import DataError, InputError
from picluster.graph.folder import GraphFolder
from picluster.graph.lock import maker_lock
from picluster.graph.names import (
    CORA_LINQS,
    DEFAULT_SCALE,
    KNOWN,
    OGB,
    REDDIT,
    REDDIT_LIKE,
    check_folder_name,
    dataset_folder_name,
    is_prepared,
    remake_command,
)
from picluster.graph.precision import TITLES
from picluster.graph.public import linqs, ogb, planetoid, reddit
from picluster.graph.reddit_like import is_generated, source_of, write_reddit_like

_SEED = 0
"""Seed of the generated graph: not the run's, since the graph is a data set like any other."""


def default_input_folder() -> Path:
    """Folder of raw files: $PICLUSTER_INPUT, else `input`."""
    return Path(os.environ.get("PICLUSTER_INPUT") or "input")


def prepare(
    name: str,
    *,
    graphs_folder: Path,
    input_folder: Path,
    scale: float = DEFAULT_SCALE,
    feature_dtype: str | None = None,
    split_seed: int | None = None,
    force: bool = False,
) -> GraphFolder:
    """Graph folder of a data set below `graphs_folder`; made where it is missing, or always with `force`.

    `scale` is of generated graphs, `split_seed` (None: 0) of cora-linqs. `feature_dtype` None: float16, or as stored.
    `cora` is cora-linqs where only the files of that form are there. Any other name is that of a folder that is there.
    InputError for an unknown name, scale or dtype, and for options that do not fit the folder; DataError where the raw
    files are missing, the folder is damaged, or the disk is full; MissingError where a package is missing.
    """
    if name not in KNOWN:
        return _open(name, graphs_folder, feature_dtype, split_seed, force=force)
    feature_dtype = feature_dtype or "float16"
    path = graphs_folder / dataset_folder_name(name, scale, feature_dtype)
    if name == "cora" and not path.exists() and not any((input_folder / "planetoid").glob("ind.cora.*")):
        name = CORA_LINQS if linqs.find_linqs(input_folder) else name
    path = graphs_folder / dataset_folder_name(name, scale, feature_dtype, split_seed)
    if force or not path.exists():
        with maker_lock(path):
            if force or not path.exists():
                _write(path, name, scale, feature_dtype, split_seed or 0, input_folder)
    graph = GraphFolder.open(path)
    if is_generated(graph.meta.source) and graph.meta.source != source_of(scale, _SEED):
        what = f"{path} is not what would be generated now, but: {graph.meta.source}"
        raise DataError(what, fix=remake_command(path.name))
    return graph


def _open(
    name: str, graphs_folder: Path, feature_dtype: str | None, split_seed: int | None, *, force: bool
) -> GraphFolder:
    """Graph folder that is there already and cannot be made anew from its name."""
    check_folder_name(name)
    path = graphs_folder / name
    if not path.is_dir():
        fix = f"choose one of {', '.join(KNOWN)}, or bring your own: picluster dataset import {shlex.quote(name)}"
        raise InputError(f"there is no data set {name!r}", fix=fix)
    if force:
        raise InputError(f"{name!r} cannot be prepared again", fix=remake_command(name))
    if split_seed is not None:
        if is_prepared(name):
            fix = f"leave out --split-seed, or name the data set: --dataset {CORA_LINQS} --split-seed {split_seed}"
            raise InputError(f"the split of {name!r} was drawn when it was prepared", fix=fix)
        fix = f"{remake_command(name)} --split-seed {split_seed}, and leave out --splits and masks"
        raise InputError(f"the split of {name!r} came with its import", fix=fix)
    graph = GraphFolder.open(path)
    stored = graph.meta.files["features"].dtype
    if feature_dtype is not None and feature_dtype != stored:
        what = f"the features of {name!r} are stored as {stored}, not as {feature_dtype}"
        raise InputError(what, fix=f"leave out --features, or import it again with --store {TITLES[feature_dtype]}")
    return graph


def _write(path: Path, name: str, scale: float, feature_dtype: str, split_seed: int, input_folder: Path) -> None:
    if name == REDDIT_LIKE:
        write_reddit_like(path, scale=scale, seed=_SEED, feature_dtype=feature_dtype)
    elif name == CORA_LINQS:
        linqs.write_linqs(path, input_folder=input_folder, feature_dtype=feature_dtype, split_seed=split_seed)
    elif name == REDDIT:
        reddit.write_reddit(path, input_folder=input_folder, feature_dtype=feature_dtype)
    elif name in OGB:
        ogb.write_ogb(path, name=name, input_folder=input_folder, feature_dtype=feature_dtype)
    else:
        planetoid.write_planetoid(path, name=name, input_folder=input_folder, feature_dtype=feature_dtype)
