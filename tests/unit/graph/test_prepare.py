"""From a data set's name to its folder."""

import subprocess
import sys
from pathlib import Path

import pytest

from picluster.errors import DataError, InputError
from picluster.graph.folder import GraphFolder
from picluster.graph.prepare import dataset_folder_name, default_input_folder, prepare

SCALE = 0.002


def _prepare(graphs_folder: Path, *, force: bool = False) -> GraphFolder:
    return prepare("reddit-like", scale=SCALE, graphs_folder=graphs_folder, input_folder=graphs_folder, force=force)


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        (("cora", 0.5, "float16"), "cora"),
        (("cora", 0.5, "float32"), "cora-fp32"),
        (("reddit-like",), "reddit-like-0.01"),
        (("reddit-like", 1.0, "float16"), "reddit-like-1"),
        (("reddit-like", 0.025, "float32"), "reddit-like-0.025-fp32"),
    ],
)
def test_the_folder_is_named_after_what_distinguishes_it(arguments: tuple[str, float, str], name: str) -> None:
    assert dataset_folder_name(*arguments) == name


def test_an_unknown_data_set_is_refused_with_the_known_ones() -> None:
    with pytest.raises(InputError, match="corra") as caught:
        dataset_folder_name("corra")
    assert "cora" in caught.value.fix
    assert "reddit-like" in caught.value.fix


@pytest.mark.parametrize("scale", [0.0, -1.0, 2.1, float("nan"), float("inf")])
def test_a_scale_out_of_range_is_refused(scale: float) -> None:
    with pytest.raises(InputError, match="out of range"):
        dataset_folder_name("reddit-like", scale)


def test_a_dtype_that_features_cannot_have_is_refused() -> None:
    with pytest.raises(InputError, match="int8"):
        dataset_folder_name("cora", feature_dtype="int8")


def test_a_folder_that_is_there_is_used_again(tmp_path: Path) -> None:
    inode = _prepare(tmp_path).path.stat().st_ino
    assert _prepare(tmp_path).path.stat().st_ino == inode


def test_force_makes_the_folder_anew(tmp_path: Path) -> None:
    file = _prepare(tmp_path).path / "labels.npy"
    file.write_bytes(b"damaged")
    with pytest.raises(DataError, match=r"labels\.npy"):
        _prepare(tmp_path)
    _prepare(tmp_path, force=True).verify()


def test_what_a_killed_process_left_is_removed(tmp_path: Path) -> None:
    (tmp_path / f"reddit-like-{SCALE}.partial-1").mkdir()
    _prepare(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == [".lock", f"reddit-like-{SCALE}"]


def test_processes_that_prepare_the_same_at_once_all_get_a_sound_folder(tmp_path: Path) -> None:
    code = (
        "import sys, pathlib; from picluster.graph.prepare import prepare; folder = pathlib.Path(sys.argv[1]);"
        f"prepare('reddit-like', scale={SCALE}, graphs_folder=folder, input_folder=folder, force=True).verify()"
    )
    started = [subprocess.Popen([sys.executable, "-c", code, str(tmp_path)]) for _ in range(4)]
    assert [process.wait(timeout=60) for process in started] == [0] * 4
    assert sorted(path.name for path in tmp_path.iterdir()) == [".lock", f"reddit-like-{SCALE}"]


def test_raw_files_are_looked_for_where_the_environment_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PICLUSTER_INPUT", "/elsewhere")
    assert default_input_folder() == Path("/elsewhere")
    monkeypatch.delenv("PICLUSTER_INPUT")
    assert default_input_folder() == Path("input")
