"""Files of weights and training states: written whole, read back as they were."""

import hashlib
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from picluster.errors import DataError
from picluster.worker.compute.checkpoint import LayerState, copy_of, read_state, read_weights, write, write_state

WEIGHTS = {"layers.2.linear.weight": torch.arange(6.0).view(2, 3), "layers.2.linear.bias": torch.tensor([7.0, 8.0])}


def test_what_is_written_is_read_back_and_the_checksum_is_that_of_the_file(tmp_path: Path) -> None:
    file = tmp_path / "epoch-5-layers-2-3.safetensors"
    assert write(file, WEIGHTS) == hashlib.sha256(file.read_bytes()).hexdigest()
    loaded = load_file(file)
    assert loaded.keys() == WEIGHTS.keys()
    assert all(torch.equal(loaded[name], tensor) for name, tensor in WEIGHTS.items())
    live = {name: torch.zeros_like(tensor) for name, tensor in WEIGHTS.items()}
    read_weights(file, live, {"not in the file": torch.ones(1)})
    assert all(torch.equal(live[name], tensor) for name, tensor in WEIGHTS.items())


def test_a_file_is_written_aside_and_renamed(tmp_path: Path) -> None:
    file = tmp_path / "weights.safetensors"
    write(file, WEIGHTS)
    before = file.stat().st_ino
    write(file, WEIGHTS)
    assert file.stat().st_ino != before
    assert list(tmp_path.iterdir()) == [file]
    with pytest.raises(DataError, match="write"):
        write(tmp_path / "gone" / "weights.safetensors", WEIGHTS)


def test_a_copy_has_memory_of_its_own_row_after_row() -> None:
    columns = torch.arange(6.0).view(2, 3).t()
    copied = copy_of(columns)
    columns.zero_()
    assert copied.is_contiguous()
    assert copied.tolist() == [[0, 3], [1, 4], [2, 5]]


def test_a_layers_state_is_read_as_it_was_written(tmp_path: Path) -> None:
    state = LayerState(updates=12, best_epoch=3, tensors={f"means/{name}": each for name, each in WEIGHTS.items()})
    sha256 = write_state(tmp_path / "state", state)
    found = read_state(tmp_path / "state", sha256)
    assert (found.updates, found.best_epoch, found.tensors.keys()) == (12, 3, state.tensors.keys())
    assert all(torch.equal(found.tensors[name], tensor) for name, tensor in state.tensors.items())


def test_weights_of_another_shape_are_refused(tmp_path: Path) -> None:
    write(tmp_path / "weights", WEIGHTS)
    with pytest.raises(DataError, match=r"bias in .* has shape \(2,\), not \(3,\)") as caught:
        read_weights(tmp_path / "weights", {"layers.2.linear.bias": torch.zeros(3)}, {})
    assert caught.value.fix == "it must be of the same model, with the same options"
    with pytest.raises(DataError, match="cannot read the weights"):
        read_weights(tmp_path / "weights", {"other": torch.zeros(3)}, {})
