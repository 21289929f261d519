"""From the name of a data set to its graph folder, made where it is not there yet."""

import os
from pathlib import Path

from picluster.errors import InputError
from picluster.graph import linqs, ogb, planetoid, reddit
from picluster.graph.folder import GraphFolder
from picluster.graph.lock import only_maker_of
from picluster.graph.names import DEFAULT_SCALE, KNOWN, REDDIT_LIKE, check_folder_name, dataset_folder_name
from picluster.graph.reddit_like import write_reddit_like

_SEED = 0
"""The generated graph is a data set like any other: its seed is not the run's."""


def default_input_folder() -> Path:
    """Where raw files are looked for: $PICLUSTER_INPUT, else `input`."""
    return Path(os.environ.get("PICLUSTER_INPUT") or "input")


def prepare(
    name: str,
    *,
    graphs_folder: Path,
    input_folder: Path,
    scale: float = DEFAULT_SCALE,
    feature_dtype: str = "float16",
    split_seed: int = 0,
    force: bool = False,
) -> GraphFolder:
    """The graph folder of a data set below `graphs_folder`; made where it is missing, or always with `force`.

    `scale` counts for generated graphs only, `split_seed` for cora-linqs only. `cora` is cora-linqs where only the
    files of that form are there. Any other name is that of a folder that is there already: one's own graph, or a copy.
    InputError for an unknown name, scale or dtype; DataError where the raw files cannot be had, the folder is damaged,
    or the disk is full; MissingError where a package is needed and missing.
    """
    if name not in KNOWN:
        return _open(name, graphs_folder, feature_dtype, force=force)
    path = graphs_folder / dataset_folder_name(name, scale, feature_dtype)
    if name == "cora" and not path.exists() and not planetoid.is_found(name, input_folder):
        name = linqs.NAME if linqs.find_linqs(input_folder) else name
    path = graphs_folder / dataset_folder_name(name, scale, feature_dtype, split_seed)
    if force or not path.exists():
        with only_maker_of(path):
            if force or not path.exists():
                _write(path, name, scale, feature_dtype, split_seed, input_folder)
    return GraphFolder.open(path)


def _open(name: str, graphs_folder: Path, feature_dtype: str, *, force: bool) -> GraphFolder:
    """The graph folder that is called so. It cannot be made anew from its name."""
    check_folder_name(name)
    path = graphs_folder / name
    if not path.is_dir():
        fix = f"choose one of {', '.join(KNOWN)}, or bring your own: picluster dataset import"
        raise InputError(f"there is no data set {name!r}", fix=fix)
    if force:
        raise InputError(f"{name!r} cannot be prepared again", fix="import it again: picluster dataset import --force")
    graph = GraphFolder.open(path)
    stored = graph.meta.files["features"].dtype
    if feature_dtype == "float32" and stored != feature_dtype:
        what = f"the features of {name!r} are stored as {stored}, not as {feature_dtype}"
        raise InputError(what, fix="leave out --features, or import it again with --store fp32")
    return graph


def _write(path: Path, name: str, scale: float, feature_dtype: str, split_seed: int, input_folder: Path) -> None:
    if name == REDDIT_LIKE:
        write_reddit_like(path, scale=scale, seed=_SEED, feature_dtype=feature_dtype)
    elif name == linqs.NAME:
        linqs.write_linqs(path, input_folder=input_folder, feature_dtype=feature_dtype, split_seed=split_seed)
    elif name == reddit.NAME:
        reddit.write_reddit(path, input_folder=input_folder, feature_dtype=feature_dtype)
    elif name in ogb.NAMES:
        ogb.write_ogb(path, name=name, input_folder=input_folder, feature_dtype=feature_dtype)
    else:
        planetoid.write_planetoid(path, name=name, input_folder=input_folder, feature_dtype=feature_dtype)
