"""Files that appear whole, and what is left of them where their process was killed."""

import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from picluster.asides import remove_asides, written_aside
from picluster.errors import DataError

KILLED = """
import os, signal, sys
from pathlib import Path
from picluster.asides import written_aside
with written_aside(Path(sys.argv[1])) as aside:
    aside.write_bytes(b"half")
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_file_is_there_whole_or_as_it_was_and_nothing_beside_it(tmp_path: Path) -> None:
    file = tmp_path / "result.json"
    for content in ("one", "two"):
        with written_aside(file) as aside:
            aside.write_text(content)
            assert aside.parent == tmp_path
    with suppress(KeyError), written_aside(file) as aside:
        aside.write_text("half")
        raise KeyError
    assert {each.name: each.read_text() for each in tmp_path.iterdir()} == {"result.json": "two"}


def test_a_disk_that_does_not_take_it_is_told_by_the_name_of_the_file(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"cannot write .*gone/weights\.safetensors"):  # noqa: SIM117
        with written_aside(tmp_path / "gone" / "weights.safetensors") as aside:
            aside.write_bytes(b"x")


@pytest.mark.parametrize("name", ["epoch-2-step-12-layer-2.safetensors", "2.json", "state", "Kn öten.d.SVG"])
def test_what_a_killed_process_was_writing_is_removed_and_nothing_else(tmp_path: Path, name: str) -> None:
    file = tmp_path / "nodes" / "pi1.2" / name
    file.parent.mkdir(parents=True)
    kept = [tmp_path / ".room", file.parent / ".hidden", file.parent / ".2.json", file]
    for each in kept:
        each.write_text("kept")
    subprocess.run([sys.executable, "-c", KILLED, file], check=False, env={**os.environ, "PYTHONPATH": os.getcwd()})  # noqa: PTH109
    assert len(list(file.parent.iterdir())) == 4
    remove_asides(tmp_path)
    assert sorted(each for each in tmp_path.rglob("*") if each.is_file()) == sorted(kept)
    assert {each.read_text() for each in kept} == {"kept"}
