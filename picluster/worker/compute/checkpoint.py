"""Weights and training states as safetensors files, written aside and renamed."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from picluster.asides import written_aside
from picluster.errors import DataError
from picluster.refusals import refuse


@dataclass(frozen=True)
class LayerState:
    """The training state of one layer; the stage that takes it goes on with the same bits, under any plan."""

    updates: int
    """Steps that the optimiser has taken."""
    best_epoch: int
    """0 before the first validation."""
    tensors: dict[str, Tensor]
    """By kind and name of the parameter, such as `means/convs.0.lin.weight`."""


def copy_of(tensor: Tensor) -> Tensor:
    """A copy in memory of its own, row after row, as safetensors wants it."""
    return tensor.detach().clone(memory_format=torch.contiguous_format)


@torch.no_grad()
def read_weights(file: Path, parameters: Mapping[str, Tensor], fixed_values: Mapping[str, Tensor]) -> None:
    """Put the values of an exported model into what it names alike; DataError where one is missing or does not fit.

    A file of an earlier version lacks fixed values; then those of the model file stay.
    """
    with _opened(file) as opened:
        held = {name: value for name, value in fixed_values.items() if name in opened.keys()}  # noqa: SIM118
        for name, parameter in {**parameters, **held}.items():
            fill(name, parameter, opened.get_tensor(name), file)


@torch.no_grad()
def fill(name: str, target: Tensor, value: Tensor, source: object) -> None:
    """Copy a value into the tensor of its name; DataError where it has another shape."""
    if value.shape != target.shape:
        message = f"{name} in {source} has shape {tuple(value.shape)}, not {tuple(target.shape)}"
        raise DataError(message, fix="it must be of the same model, with the same options")
    target.copy_(value)


def read_state(file: Path, sha256: str) -> LayerState:
    """Read a layer's state; DataError where the file cannot be read, or does not have that checksum."""
    check_file(file, sha256)
    with _opened(file) as opened:
        numbers = opened.metadata()
        tensors = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118
        return LayerState(int(numbers["updates"]), int(numbers["best_epoch"]), tensors)


def write_state(file: Path, state: LayerState) -> str:
    """Write a layer's state; returns the file's SHA-256. DataError where the disk does not take it."""
    return write(file, state.tensors, {"updates": str(state.updates), "best_epoch": str(state.best_epoch)})


def write(file: Path, tensors: Mapping[str, Tensor], numbers: Mapping[str, str] | None = None) -> str:
    """Write tensors aside and rename the file; returns its SHA-256. DataError where the disk does not take it."""
    content = save({name: copy_of(tensor) for name, tensor in tensors.items()}, dict(numbers) if numbers else None)
    with written_aside(file) as aside, aside.open("wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())
    return hashlib.sha256(content).hexdigest()


def check_file(file: Path, sha256: str) -> None:
    """Raise DataError where a file does not have its checksum; an empty one fits every file."""
    try:
        if sha256 and hashlib.sha256(file.read_bytes()).hexdigest() != sha256:
            raise DataError(f"{file} is damaged: it does not have its checksum", fix="launch again: it is shipped anew")
    except OSError as error:
        refuse("read", file, error)


@contextmanager
def _opened(file: Path) -> Iterator[Any]:
    """A file of tensors; DataError where it cannot be read, or lacks what is asked of it."""
    try:
        with safe_open(file, framework="pt") as opened:
            yield opened
    except (OSError, SafetensorError) as error:
        raise DataError(f"cannot read the weights {file}: {error}") from error
