"""From a data set's name to its folder."""

import subprocess
import sys
from pathlib import Path

import pytest

from picluster.errors import DataError, InputError
from picluster.graph.folder import GraphFolder
from picluster.graph.public.prepare import default_input_folder, prepare
from tests.unit.graph.small_graph import write_small_graph

SCALE = 0.002


def _prepare(graphs_folder: Path, *, force: bool = False) -> GraphFolder:
    return prepare("reddit-like", scale=SCALE, graphs_folder=graphs_folder, input_folder=graphs_folder, force=force)


def test_a_folder_that_is_there_is_used_again(tmp_path: Path) -> None:
    inode = _prepare(tmp_path).path.stat().st_ino
    assert _prepare(tmp_path).path.stat().st_ino == inode


def test_a_graph_of_another_version_of_the_generator_is_refused(tmp_path: Path) -> None:
    file = _prepare(tmp_path).path / "meta.json"
    file.write_text(file.read_text().replace("shape, version 3", "shape, version 2"))
    with pytest.raises(DataError, match="not what would be generated now") as caught:
        _prepare(tmp_path)
    assert caught.value.fix == "prepare it again: picluster dataset prepare reddit-like --scale 0.002 --force"


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
        "import sys, pathlib; from picluster.graph.public.prepare import prepare; folder = pathlib.Path(sys.argv[1]);"
        f"prepare('reddit-like', scale={SCALE}, graphs_folder=folder, input_folder=folder, force=True).verify()"
    )
    started = [subprocess.Popen([sys.executable, "-c", code, str(tmp_path)]) for _ in range(4)]
    assert [process.wait(timeout=240) for process in started] == [0] * 4
    assert sorted(path.name for path in tmp_path.iterdir()) == [".lock", f"reddit-like-{SCALE}"]


def test_raw_files_are_looked_for_where_the_environment_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PICLUSTER_INPUT", "/elsewhere")
    assert default_input_folder() == Path("/elsewhere")
    monkeypatch.delenv("PICLUSTER_INPUT")
    assert default_input_folder() == Path("input")


def _open(graphs_folder: Path, name: str, feature_dtype: str = "float16", *, force: bool = False) -> GraphFolder:
    return prepare(
        name, graphs_folder=graphs_folder, input_folder=graphs_folder, feature_dtype=feature_dtype, force=force
    )


@pytest.mark.parametrize("name", ["mine", "a'; echo b", "größe 2", "reddit-like-0.01-copy"])
def test_a_folder_of_any_other_name_is_opened(tmp_path: Path, name: str) -> None:
    write_small_graph(tmp_path / name)
    assert _open(tmp_path, name).meta.nodes == 4


@pytest.mark.parametrize("name", ["../mine", "", ".", "/mine"])
def test_a_name_that_leaves_the_folder_is_refused(tmp_path: Path, name: str) -> None:
    write_small_graph(tmp_path / "mine")
    (tmp_path / "graphs").mkdir()
    with pytest.raises(InputError, match="cannot be the name of a data set"):
        _open(tmp_path / "graphs", name)


def test_an_unknown_name_is_refused_with_the_known_ones_and_the_way_to_import(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is no data set 'corra'") as caught:
        _open(tmp_path, "corra")
    assert "cora-linqs" in caught.value.fix
    assert "picluster dataset import" in caught.value.fix


def test_a_graph_of_ones_own_is_neither_made_again_nor_stored_otherwise(tmp_path: Path) -> None:
    write_small_graph(tmp_path / "mine")
    with pytest.raises(InputError, match="cannot be prepared again"):
        _open(tmp_path, "mine", force=True)
    with pytest.raises(InputError, match="stored as float16, not as float32"):
        _open(tmp_path, "mine", "float32")


def test_cora_is_made_of_the_linqs_files_where_only_those_are_there(tmp_path: Path, linqs_input: Path) -> None:
    only_linqs = tmp_path / "input"
    only_linqs.mkdir()
    (only_linqs / "cora").symlink_to(linqs_input / "cora-linqs")
    graph = prepare("cora", graphs_folder=tmp_path / "graphs", input_folder=only_linqs, split_seed=3)
    assert graph.meta.name == "cora-linqs-split3"
    assert graph.meta.splits == {"train": 140, "validation": 500, "test": 2068}
