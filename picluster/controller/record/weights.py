"""Weights of a run: read from the files of all stages, and written as one."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

import picluster
from picluster.controller.record.record_files import check_output, write_whole
from picluster.errors import DataError, MissingError
from picluster.refusals import refuse

if TYPE_CHECKING:
    from typing import Any

    from numpy.typing import NDArray

    from picluster.controller.record.run_folder import RunFolder


def check_weights_file(file: Path) -> None:
    """InputError where weights cannot be written there."""
    check_output(file, "--output", (".safetensors",), "file that weights are written to, which is safetensors")


def read_weights(folder: RunFolder) -> dict[str, NDArray[Any]]:
    """Read the weights of the best epoch, from the files of all stages.

    DataError where the run wrote none, or a file is damaged; MissingError where safetensors is not installed.
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


def write_weights(folder: RunFolder, file: Path) -> dict[str, NDArray[Any]]:
    """Write the weights of the best epoch as safetensors, whose metadata say what they are; returns them."""
    weights, run, (_, manifest) = read_weights(folder), folder.run(), folder.checkpoint()
    from safetensors.numpy import save

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
    return weights
