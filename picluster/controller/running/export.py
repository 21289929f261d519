"""What a run has learnt, for use without picluster: weights by PyG's names, and class probabilities."""

from __future__ import annotations

import csv
import hashlib
import io
import tempfile
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import numpy as np

import picluster
from picluster.controller.nodes.local import LocalMachine
from picluster.controller.record.output_file import check_output
from picluster.controller.record.record_files import refuse, write_whole
from picluster.controller.record.run_folder import RunFolder
from picluster.controller.running.earlier_run import EarlierRun
from picluster.controller.running.launch import Launch, Prediction
from picluster.controller.running.launcher import Launcher
from picluster.errors import DataError, MissingError, RunFailed
from picluster.schema.plan import Plan, StagePlan
from picluster.wording import column_names

if TYPE_CHECKING:
    from typing import Any

    from numpy.typing import NDArray

    from picluster.graph.folder import GraphFolder
    from picluster.schema.events import AnyEvent

WEIGHTS_SUFFIXES = (".safetensors",)
PREDICTIONS_SUFFIXES = (".csv", ".npy", ".npz")
_HERE = "this machine"
_GRACE_SECONDS = 5.0


def check_weights_file(file: Path) -> None:
    """InputError where weights cannot be written there."""
    check_output(file, "--output", WEIGHTS_SUFFIXES, "file that weights are written to, which is safetensors")


def check_predictions_file(file: Path) -> None:
    """InputError where predictions cannot be written there."""
    check_output(file, "--predictions", PREDICTIONS_SUFFIXES, "file that predictions are written to")


def read_weights(folder: RunFolder) -> dict[str, NDArray[Any]]:
    """The weights of the best epoch, from the files of all stages.

    Raises:
        DataError: the run wrote none, or a file is damaged.
        MissingError: safetensors is not installed.
    """
    try:
        from safetensors.numpy import load
    except ImportError as error:
        raise MissingError(f"reading weights needs safetensors: {error}", fix="make setup") from None
    place, manifest = folder.checkpoint()
    weights: dict[str, NDArray[Any]] = {}
    for name, checksum in manifest.files.items():
        try:
            content = (place / name).read_bytes()
        except OSError as error:
            refuse("read", place / name, error)
        if hashlib.sha256(content).hexdigest() != checksum:
            raise DataError(f"{place / name} is damaged: its sha256 is not the one in the manifest")
        weights |= load(content)
    return weights


def write_weights(folder: RunFolder, weights: dict[str, NDArray[Any]], file: Path) -> None:
    """Write weights as safetensors; its metadata say what they are of."""
    from safetensors.numpy import save

    run, (_, manifest) = folder.run(), folder.checkpoint()
    metadata = {
        "format": "pt",
        "picluster": picluster.__version__,
        "run": run.run,
        "dataset": run.spec.dataset,
        "features": str(run.graph.features),
        "classes": str(run.graph.classes),
        "model": msgspec.json.encode(run.spec.model).decode(),
        "epoch": str(manifest.epoch),
    }
    if run.graph.class_names:
        metadata["class_names"] = msgspec.json.encode(run.graph.class_names).decode()
    write_whole(file, save(weights, metadata=metadata))


def write_predictions(
    folder: RunFolder,
    weights: dict[str, NDArray[Any]],
    file: Path,
    graphs: Path,
    watch: Callable[[str, AnyEvent], None],
) -> None:
    """Write the class probabilities of all nodes, from all of their neighbours, computed on this machine.

    The file is an array (N, classes) in fp32, as .npy or .npz, or a .csv with a line for each node; the last two call
    nodes and classes by their names, where the graph has any. `watch` sees the events of the worker.

    Raises:
        DataError: the run's graph is not here any more, or the disk is full.
        RunFailed: the worker failed.
    """
    earlier = EarlierRun(folder)
    graph = earlier.graph(graphs)
    try:
        aside = tempfile.TemporaryDirectory(prefix=".picluster-", dir=file.absolute().parent)
    except OSError as error:
        refuse("write", file, error)
    with aside as name:
        place = Path(name)
        prediction = Prediction(weights=place / "weights.safetensors", probabilities=place / "probabilities.npy")
        write_weights(folder, weights, prediction.weights)
        transport = LocalMachine()
        launch = Launch(
            spec=earlier.spec,
            plan=_plan(earlier.spec.model.depth),
            model_file=earlier.model()[0],
            graph_folder=graph.path,
            transports={_HERE: transport},
            threads=earlier.threads(),
            grace_seconds=_GRACE_SECONDS,
            folder=RunFolder(place),
            prediction=prediction,
        )
        with closing(transport):
            result = Launcher(launch, watch).run()
        if result.failure:
            raise RunFailed(f"predicting failed: {result.failure.cause}", fix=result.failure.fix)
        _write_array(np.load(prediction.probabilities, mmap_mode="r"), prediction.probabilities, file, graph)


def _plan(depth: int) -> Plan:
    stage = StagePlan(layers=tuple(range(1, depth + 1)), nodes=(_HERE,))
    return Plan(strategy="single", engine="gloo", sampler=(_HERE,), stages=(stage,))


def _write_array(probabilities: NDArray[Any], source: Path, file: Path, graph: GraphFolder) -> None:
    suffix = file.suffix.lower()
    if suffix == ".npy":
        source.replace(file)
        return
    if suffix == ".npz":
        content, names = io.BytesIO(), graph.node_names() or ()
        arrays = {"class_names": graph.meta.class_names, "node_names": names[:]}
        strings = {name: np.array(values, np.str_) for name, values in arrays.items()}
        np.savez_compressed(content, allow_pickle=False, probabilities=probabilities, **strings)
        write_whole(file, content.getvalue())
    else:
        write_whole(file, _table(probabilities, graph).encode("utf-8", "surrogatepass"))


def _table(probabilities: NDArray[Any], graph: GraphFolder) -> str:
    """A line for each node, below one of names; a name may hold commas, quotes and breaks of lines."""
    text, nodes = io.StringIO(), graph.node_names() or range(len(probabilities))
    lines = csv.writer(text, lineterminator="\n")
    lines.writerow(["node", *column_names(graph.meta.class_names, probabilities.shape[1], taken=("node",))])
    for node, row in zip(nodes, probabilities, strict=True):
        lines.writerow([node, *(f"{value:.6g}" for value in row.tolist())])
    return text.getvalue()
