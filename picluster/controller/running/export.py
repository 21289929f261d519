"""Class probabilities of all nodes, by what a run has learnt."""

from __future__ import annotations

import csv
import io
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from picluster.controller.nodes.inventory import Node
from picluster.controller.planning.request import LaunchRequest
from picluster.controller.record.record_files import check_output, write_whole
from picluster.controller.record.run_folder import RunFolder
from picluster.controller.record.weights import write_weights
from picluster.controller.running.launch import Prediction
from picluster.controller.running.placement import Placement
from picluster.controller.running.task import EarlierRun
from picluster.controller.running.training import make_run
from picluster.errors import RunFailed
from picluster.refusals import refuse
from picluster.schema.plan import DEFAULT_ENGINE, Plan, StagePlan
from picluster.wording import column_names

if TYPE_CHECKING:
    from typing import Any

    from numpy.typing import NDArray

    from picluster.controller.running.observer import Observer
    from picluster.graph.folder import GraphFolder

_HERE = "this machine"


def check_predictions_file(file: Path) -> None:
    """InputError where predictions cannot be written there."""
    check_output(file, "--predictions", (".csv", ".npy", ".npz"), "file that predictions are written to")


def write_predictions(folder: RunFolder, file: Path, observer: Observer) -> None:
    """Write the class probabilities of all nodes, from all of their neighbours, computed on this machine.

    The file is an array (N, classes) in fp32, as .npy or .npz, or a .csv with a line for each node; the last two call
    nodes and classes by their names, where the graph has any. DataError where the run's graph is not here any more, or
    the disk is full; RunFailed where the worker failed.
    """
    earlier = EarlierRun(folder)
    graph = earlier.graph()
    stage = StagePlan(layers=tuple(range(1, earlier.spec.model.depth + 1)), nodes=(_HERE,))
    plan = Plan(strategy="single", engine=DEFAULT_ENGINE, sampler=(_HERE,), stages=(stage,))
    here = Node(_HERE)
    placement = Placement(request=LaunchRequest(), nodes=[here], facts=[here.facts])
    try:
        aside = tempfile.TemporaryDirectory(prefix=".picluster-", dir=file.absolute().parent)
    except OSError as error:
        refuse("write", file, error)
    with aside as name:
        place = RunFolder(Path(name))
        prediction = Prediction(weights=place.weights_file, probabilities=place.path / "probabilities.npy")
        place.keep_model(earlier.model()[0])
        write_weights(folder, prediction.weights)
        result = make_run(earlier.spec, graph, plan, placement, observer, lambda: place, prediction)
        if result.failure:
            raise RunFailed(f"predicting failed: {result.failure.cause}", fix=result.failure.fix)
        probabilities = np.load(prediction.probabilities, mmap_mode="r")
        _write_array(probabilities, prediction.probabilities, file, graph)


def _write_array(probabilities: NDArray[Any], source: Path, file: Path, graph: GraphFolder) -> None:
    suffix = file.suffix.lower()
    if suffix == ".npy":
        source.replace(file)
        return
    if suffix == ".csv":
        write_whole(file, _table(probabilities, graph).encode("utf-8", "surrogatepass"))
        return
    content, names = io.BytesIO(), graph.node_names() or ()
    arrays = {"class_names": graph.meta.class_names, "node_names": names[:]}
    strings = {name: np.array(values, np.str_) for name, values in arrays.items()}
    np.savez_compressed(content, allow_pickle=False, probabilities=probabilities, **strings)
    write_whole(file, content.getvalue())


def _table(probabilities: NDArray[Any], graph: GraphFolder) -> str:
    """A line for each node, below one of names; a name may hold commas, quotes and breaks of lines."""
    text, nodes = io.StringIO(), graph.node_names() or range(len(probabilities))
    lines = csv.writer(text, lineterminator="\n")
    lines.writerow(["node", *column_names(graph.meta.class_names, probabilities.shape[1], taken=("node",))])
    for node, row in zip(nodes, probabilities, strict=True):
        lines.writerow([node, *(f"{value:.6g}" for value in row.tolist())])
    return text.getvalue()
