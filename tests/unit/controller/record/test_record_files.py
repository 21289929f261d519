"""Files that a person names to be written."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from picluster.controller.record.weights import check_weights_file
from picluster.controller.running.export import check_predictions_file
from picluster.errors import InputError


def test_what_can_be_written_passes_whatever_the_case_of_its_suffix(tmp_path: Path) -> None:
    for name in ("w.safetensors", "W.SafeTensors"):
        check_weights_file(tmp_path / name)
    for name in ("p.csv", "p.CSV", "p.npy", "p.npz"):
        check_predictions_file(tmp_path / name)
        (tmp_path / name).touch()
        check_predictions_file(tmp_path / name)


@pytest.mark.parametrize("name", ["w.pt", "w.pth", "w", "w.safetensors.gz", "w.bin", ".safetensors"])
def test_weights_are_not_written_under_the_name_of_another_kind_of_file(tmp_path: Path, name: str) -> None:
    with pytest.raises(
        InputError, match="is no kind of file that weights are written to, which is safetensors"
    ) as told:
        check_weights_file(tmp_path / name)
    assert told.value.fix.startswith(f"--output {tmp_path}/")
    assert told.value.fix.endswith(".safetensors")


@pytest.mark.parametrize("name", ["p.parquet", "p.txt", "p", "p.csv.gz", "p.pt"])
def test_predictions_are_not_written_under_the_name_of_another_kind_of_file(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match="is no kind of file that predictions are written to"):
        check_predictions_file(tmp_path / name)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("none/w.safetensors", "there is no folder"),
        ("folder.safetensors", "is a folder"),
        ("", "is a folder"),
        (f"{'w' * 300}.safetensors", "File name too long"),
        ("file/w.safetensors", "there is no folder"),
    ],
)
def test_a_place_that_takes_no_file_is_refused_beforehand(tmp_path: Path, name: str, message: str) -> None:
    (tmp_path / "folder.safetensors").mkdir()
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match=message):
        check_weights_file(tmp_path / name)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_may_not_be_written_to_is_refused_beforehand(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(InputError, match="cannot be written to"):
        check_weights_file(tmp_path / "w.safetensors")
