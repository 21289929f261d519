"""`picluster dataset rm`."""

import builtins
import shutil
import sys
from pathlib import Path

import msgspec
import pytest

from picluster.controller.record.leader import this_controller
from picluster.controller.record.run_folder import RunFolder
from tests.unit.cli.conftest import Picluster
from tests.unit.controller.made import copy_of_run_v1
from tests.unit.graph.small_graph import write_small_graph


@pytest.fixture(autouse=True)
def graphs(here: Path) -> Path:
    for name in ("one", "two"):
        write_small_graph(here / "graphs" / name)
    return here / "graphs"


def test_several_graphs_are_removed_and_what_that_frees_is_told(picluster: Picluster, graphs: Path) -> None:
    freed = sum(file.stat().st_size for file in (graphs / "one").iterdir()) / 1e3
    answer = picluster("dataset", "rm", "one", "two", "one", "--yes")
    assert (answer.code, answer.err) == (0, "")
    assert answer.out.splitlines() == [f"removed graphs/{name}: {freed:,.1f} kB freed" for name in ("one", "two")]
    assert list(graphs.iterdir()) == []


def test_without_a_terminal_nothing_is_removed(picluster: Picluster, graphs: Path) -> None:
    answer = picluster("dataset", "rm", "one")
    assert (answer.code, answer.out) == (2, "")
    assert "fix: picluster dataset rm one --yes" in answer.err
    assert (graphs / "one").is_dir()


@pytest.mark.parametrize(("said", "left"), [("y", {"two"}), ("", {"one", "two"})])
def test_the_person_is_asked(
    picluster: Picluster, graphs: Path, monkeypatch: pytest.MonkeyPatch, said: str, left: set[str]
) -> None:
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True)
    monkeypatch.setattr(builtins, "input", lambda _: said)
    answer = picluster("dataset", "rm", "one")
    assert "graphs/one: " in answer.out
    assert {path.name for path in graphs.iterdir()} == left


@pytest.mark.parametrize(
    ("name", "message", "fix"),
    [
        ("three", "there is no graph 'three' in graphs", "picluster dataset list"),
        ("..", "'..' is not the name of a graph in graphs", "picluster dataset list"),
        ("../graphs/one", "is not the name of a graph", "picluster dataset list"),
        ("graphs/one", "is not the name of a graph", "picluster dataset rm one"),
        ("", "'' is not the name of a graph", "picluster dataset list"),
        (".lock", "'.lock' is not the name of a graph", "picluster dataset list"),
        ("notes", "graphs/notes holds letter.txt, which no graph folder has", "rm -r graphs/notes"),
        ("file", "there is no graph 'file'", "picluster dataset list"),
    ],
)
def test_what_is_no_graph_stays_and_so_do_those_named_beside_it(
    picluster: Picluster, graphs: Path, name: str, message: str, fix: str
) -> None:
    (graphs / "notes").mkdir()
    (graphs / "notes" / "letter.txt").touch()
    (graphs / "file").touch()
    before = sorted(graphs.rglob("*"))
    answer = picluster("dataset", "rm", "one", name, "--yes")
    assert (answer.code, answer.out) == (2, "")
    assert message in answer.err
    assert fix in answer.err
    assert sorted(graphs.rglob("*")) == before


def test_damaged_and_partial_folders_can_be_removed(picluster: Picluster, graphs: Path) -> None:
    (graphs / "one" / "meta.json").write_text("{")
    (graphs / "two" / "labels.npy").unlink()
    shutil.copytree(graphs / "two", graphs / "two.partial-99999999")
    assert picluster("dataset", "rm", "one", "two", "two.partial-99999999", "--yes").code == 0
    assert list(graphs.iterdir()) == []


def test_a_link_goes_and_what_it_leads_to_stays(picluster: Picluster, graphs: Path) -> None:
    (graphs / "link").symlink_to(graphs / "one")
    (graphs / "broken").symlink_to(graphs / "nowhere")
    answer = picluster("dataset", "rm", "link", "broken", "--yes")
    assert "removed graphs/link; the folder that it led to stays" in answer.out
    assert {path.name for path in graphs.iterdir()} == {"one", "two"}


def test_a_graph_that_a_run_is_trained_on_stays(picluster: Picluster, here: Path, graphs: Path) -> None:
    run = RunFolder(copy_of_run_v1(here / "runs" / "the-run"))
    run.result_file.unlink()
    was = run.run()
    spec = msgspec.structs.replace(was.spec, dataset="one")
    run.begin(msgspec.structs.replace(was, spec=spec, controller=this_controller()), run.plan(), run.environment())
    answer = picluster("dataset", "rm", "two", "one", "--yes")
    assert answer.code == 2
    assert f"graphs/one is being trained on by {run.name}" in answer.err
    assert f"picluster stop {run.name}" in answer.err
    assert (graphs / "two").is_dir()
