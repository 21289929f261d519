"""The weights of a stage, kept and written."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from picluster.errors import DataError
from picluster.refusals import words
from picluster.schema.events import CheckpointWritten


@dataclass(frozen=True)
class Weights:
    """Parameters as they were after an epoch."""

    epoch: int
    """Counted from 1."""
    tensors: dict[str, Tensor]
    """By name, such as `convs.0.lin.weight`."""

    @staticmethod
    def copy_of(parameters: Mapping[str, Tensor], epoch: int) -> Weights:
        """A copy that later updates leave alone."""
        return Weights(epoch, {name: _copy(parameter) for name, parameter in parameters.items()})

    @torch.no_grad()
    def restore(self, parameters: Mapping[str, Tensor]) -> None:
        """Put the values back into the parameters."""
        for name, tensor in self.tensors.items():
            parameters[name].copy_(tensor)


@torch.no_grad()
def read(file: Path, parameters: Mapping[str, Tensor], fixed_values: Mapping[str, Tensor]) -> None:
    """Put the values of an exported model into what it names alike.

    A file of an earlier version lacks fixed values; then those of the model file stay.

    Raises:
        DataError: the file cannot be read, lacks one of them, or has it in another shape.
    """
    try:
        with safe_open(file, framework="pt") as opened:
            held = {name: value for name, value in fixed_values.items() if name in opened.keys()}  # noqa: SIM118
            for name, parameter in {**parameters, **held}.items():
                tensor = opened.get_tensor(name)
                if tensor.shape != parameter.shape:
                    message = f"{name} in {file} has shape {tuple(tensor.shape)}, not {tuple(parameter.shape)}"
                    raise DataError(message, fix="it must be of the same model, with the same options")
                parameter.copy_(tensor)
    except (OSError, SafetensorError) as error:
        raise DataError(f"cannot read the weights {file}: {error}") from error


def write(
    weights: Weights, fixed_values: Mapping[str, Tensor], folder: str, layers: Sequence[int]
) -> CheckpointWritten:
    """Write a stage's weights, and the values beside them that were not trained, as safetensors.

    DataError where the disk does not take them.
    """
    content = save({**{name: _copy(value) for name, value in fixed_values.items()}, **weights.tensors})
    path = Path(folder) / f"layers-{layers[0]}-{layers[-1]}.safetensors"
    try:
        path.write_bytes(content)
    except OSError as error:
        what, fix = words("write", path, error)
        with suppress(OSError):
            path.unlink()
        raise DataError(what, fix=fix) from error
    return CheckpointWritten(epoch=weights.epoch, path=str(path), sha256=hashlib.sha256(content).hexdigest())


def _copy(tensor: Tensor) -> Tensor:
    """In memory of its own, row after row, as safetensors wants it."""
    return tensor.detach().clone(memory_format=torch.contiguous_format)
