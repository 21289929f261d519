"""The graph folder that a request names, made where it is missing."""

from __future__ import annotations

from collections.abc import Callable

from picluster.controller.planning.request import FEATURE_DTYPES
from picluster.errors import InputError
from picluster.graph.folder import GraphFolder
from picluster.graph.names import DEFAULT_SCALE, KNOWN, REDDIT_LIKE
from picluster.graph.public.prepare import default_input_folder, prepare
from picluster.project import GRAPHS
from picluster.schema.spec import Precision


def prepared(
    name: str,
    scale: float | None,
    features: Precision | None,
    note: Callable[[str, str], None] = lambda _head, _text: None,
    *,
    split_seed: int | None = None,
    force: bool = False,
) -> GraphFolder:
    """The graph folder, its checksums compared. A name of one's own must be there already.

    `note` is told of choices that the person did not make.
    """
    if scale is not None and name != REDDIT_LIKE and (name in KNOWN or (GRAPHS / name).is_dir()):
        raise InputError(f"--scale goes with {REDDIT_LIKE}, not with {name}")
    graph = prepare(
        name,
        graphs_folder=GRAPHS,
        input_folder=default_input_folder(),
        scale=DEFAULT_SCALE if scale is None else scale,
        feature_dtype=None if features is None else FEATURE_DTYPES[features],
        split_seed=split_seed,
        force=force,
    )
    graph.verify()
    if name == "cora" and graph.meta.name.startswith("cora-linqs"):
        note("dataset", f"{graph.meta.name}: the raw files of Cora are in the form of LINQS")
    if name in KNOWN and not graph.meta.name.endswith("-fp32") and graph.meta.files["features"].dtype == "float32":
        note("dataset", f"the features of {graph.meta.name} are stored as fp32: fp16 would lose some")
    return graph
