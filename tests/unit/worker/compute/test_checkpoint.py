"""Weights: kept, put back, written."""

import hashlib
from pathlib import Path

import torch
from safetensors.torch import load_file

from picluster.worker.compute.checkpoint import Weights, write


def parameters() -> dict[str, torch.nn.Parameter]:
    return {
        "layers.2.linear.weight": torch.nn.Parameter(torch.arange(6.0).view(2, 3)),
        "layers.2.linear.bias": torch.nn.Parameter(torch.tensor([7.0, 8.0])),
    }


def test_a_copy_stays_when_the_parameters_change_and_restoring_brings_it_back() -> None:
    live, original = parameters(), parameters()
    weights = Weights.copy_of(live, epoch=3)
    with torch.no_grad():
        for parameter in live.values():
            parameter.add_(1)
    assert all(torch.equal(weights.tensors[name], original[name]) for name in original)
    places = {name: parameter.data_ptr() for name, parameter in live.items()}
    weights.restore(live)
    assert all(torch.equal(live[name], original[name]) for name in original)
    assert {name: parameter.data_ptr() for name, parameter in live.items()} == places
    assert all(parameter.requires_grad for parameter in live.values())


def test_restored_parameters_do_not_share_memory_with_the_copy() -> None:
    live = parameters()
    weights = Weights.copy_of(live, epoch=1)
    weights.restore(live)
    with torch.no_grad():
        live["layers.2.linear.bias"].zero_()
    assert weights.tensors["layers.2.linear.bias"].tolist() == [7, 8]


def test_what_is_written_is_read_back_and_the_checksum_is_that_of_the_file(tmp_path: Path) -> None:
    weights = Weights.copy_of(parameters(), epoch=5)
    event = write(weights, {}, str(tmp_path), (2, 3))
    file = tmp_path / "layers-2-3.safetensors"
    assert (event.epoch, event.path) == (5, str(file))
    assert event.sha256 == hashlib.sha256(file.read_bytes()).hexdigest()
    loaded = load_file(file)
    assert loaded.keys() == weights.tensors.keys()
    assert all(torch.equal(loaded[name], tensor) for name, tensor in weights.tensors.items())
