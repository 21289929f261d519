"""What an error of a worker means for its run."""

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from picluster.errors import DataError, InputError, MissingError, PeerLost
from picluster.worker.compute.checkpoint import write
from picluster.worker.compute.model_file import load
from picluster.worker.session import fault_of


def error_of(work: Callable[[], object]) -> BaseException:
    try:
        work()
    except Exception as error:  # noqa: BLE001  any will do
        return error
    raise AssertionError("nothing was raised")


@pytest.mark.parametrize(
    ("error", "fault"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), "disk"),
        (OSError(errno.EROFS, "Read-only file system"), "disk"),
        (OSError(errno.EACCES, "Permission denied"), "other"),
        (MemoryError(), "out-of-memory"),
        (InputError("no such option"), "model"),
        (MissingError("no mpi4py"), "refused"),
        (PeerLost("cannot receive from worker 2"), "other"),
        (KeyError("what"), "other"),
    ],
    ids=lambda each: type(each).__name__ if isinstance(each, BaseException) else each,
)
def test_errors_tell_what_is_to_blame(error: BaseException, fault: str) -> None:
    assert fault_of(error) == fault


def test_a_file_that_a_full_disk_does_not_take_is_the_disk_s_fault(tmp_path: Path) -> None:
    full = tmp_path / f".weights.{os.getpid()}.safetensors"
    full.symlink_to("/dev/full")
    error = error_of(lambda: write(tmp_path / "weights.safetensors", {"w": torch.ones(3)}))
    assert isinstance(error, DataError)
    assert fault_of(error) == "disk"


def test_an_allocation_that_torch_is_refused_is_want_of_memory() -> None:
    assert fault_of(error_of(lambda: torch.empty(1 << 60))) == "out-of-memory"


def test_an_error_within_a_model_file_is_the_model_s(tmp_path: Path) -> None:
    file = tmp_path / "odd.py"
    file.write_text("def layers(*, features, classes): ...\n\ndef look_up():\n    return {}[7]\n")
    assert fault_of(error_of(load(file).look_up)) == "model"
