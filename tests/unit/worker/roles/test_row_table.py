"""Tables of exact inference: small ones in memory, large ones in files without a name."""

import errno
import gc
import resource
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from picluster.errors import RunFailed
from picluster.worker.roles import exact_pass
from picluster.worker.roles.exact_pass import RowTable

NODES = 1000
FILE_BYTES = 64 << 10


@pytest.fixture(autouse=True)
def _large_from_4_kb_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exact_pass, "_SMALL_BYTES", 4 << 10)


def mapped_files(folder: Path) -> list[str]:
    """The files in a folder that this process maps, as the kernel names them."""
    gc.collect()
    lines = Path("/proc/self/maps").read_text().splitlines()
    return [line for line in lines if str(folder) in line]


def test_what_was_written_is_there_whether_in_memory_or_in_a_file(tmp_path: Path) -> None:
    made = RowTable(NODES, {"small": 1, "large": 5}, str(tmp_path))
    expected = {name: torch.randn(NODES, tensor.shape[1]) for name, tensor in made.tensors.items()}
    for begin in (512, 0):  # replicas deliver in their own order
        part = slice(begin, min(begin + 512, NODES))
        made.write(begin, [tensor[part] for tensor in expected.values()])
    assert list(made.tensors) == ["small", "large"]
    assert all(torch.equal(made.tensors[name], tensor) for name, tensor in expected.items())


def test_a_small_table_makes_no_file() -> None:
    made = RowTable(NODES, {"h": 1}, "/no/such/folder")
    assert made.tensors["h"].shape == (NODES, 1)


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="only Linux tells what is mapped")
def test_a_large_table_lies_in_a_nameless_file_that_vanishes_with_it(tmp_path: Path) -> None:
    made = RowTable(NODES, {"h": 5}, str(tmp_path))
    (line,) = mapped_files(tmp_path)
    assert line.endswith("(deleted)")
    assert not list(tmp_path.iterdir())
    del made
    assert not mapped_files(tmp_path)


@pytest.fixture
def _files_are_bounded() -> Iterator[None]:
    """As on a full disk. Python ignores the signal that comes with it."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (FILE_BYTES, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.usefixtures("_files_are_bounded")
def test_where_there_is_no_room_the_run_fails_with_size_place_and_a_fix(tmp_path: Path) -> None:
    RowTable(FILE_BYTES // 20, {"h": 5}, str(tmp_path))
    with pytest.raises(RunFailed, match=r"no room for 1 MB of rows in .*: File too large") as failed:
        RowTable(50_000, {"h": 5}, str(tmp_path))
    assert str(tmp_path) in failed.value.what
    assert "--test sampled" in failed.value.fix
    assert not list(tmp_path.iterdir())


def test_a_folder_that_takes_no_file_fails_the_run_as_well(tmp_path: Path) -> None:
    with pytest.raises(RunFailed, match=r"no room for .*No such file") as failed:
        RowTable(NODES, {"h": 5}, str(tmp_path / "gone"))
    assert isinstance(failed.value.__cause__, OSError)
    assert failed.value.__cause__.errno == errno.ENOENT
