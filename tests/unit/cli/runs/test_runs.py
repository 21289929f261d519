"""`picluster runs`, on copies of the committed run folder."""

import json
import shutil
from pathlib import Path

import msgspec
import pytest

from picluster.controller.record.leader import this_controller
from picluster.controller.record.run_folder import RunFolder
from picluster.schema.report import History
from picluster.schema.run import Failure, Result
from tests.unit.cli.conftest import Picluster
from tests.unit.controller.made import copy_of_run_v1

KEYS = {
    *("run", "status", "problem", "tag", "started", "seconds", "model", "dataset", "strategy", "engine", "nodes"),
    *("epochs", "epochs_planned", "best_epoch", "best_validation_accuracy", "test_accuracy"),
}


def a_run(here: Path, name: str, *, started: float = 1000.0, tag: str = "") -> RunFolder:
    folder = RunFolder(copy_of_run_v1(here / "runs" / name))
    run = msgspec.structs.replace(folder.run(), run=name, started=started, tag=tag)
    folder.begin(run, folder.plan(), folder.environment())
    return folder


def listed(picluster: Picluster, *words: str) -> History:
    return msgspec.json.decode(picluster("runs", "--json", *words).out, type=History)


def test_without_runs_the_person_is_told_what_makes_one(picluster: Picluster, here: Path) -> None:
    answer = picluster("runs")
    assert (answer.code, answer.out) == (2, "")
    assert answer.err == f"error: there are no runs in {here}/runs\n  fix: make one: picluster launch\n"


def test_the_newest_run_comes_first(picluster: Picluster, here: Path) -> None:
    for name, started in (("b", 1.0), ("a", 3.0), ("c", 2.0)):
        a_run(here, name, started=started)
    assert [run.run for run in listed(picluster).runs] == ["a", "c", "b"]


def test_every_run_is_shown_on_two_calm_lines(picluster: Picluster, here: Path) -> None:
    folder = a_run(here, "2026-11-20-sage-reddit-like-0.003-ymbu", tag="first-try")
    folder.end(Result(status="finished", failure=None, test_accuracy=0.1012, ended=1062.0))
    answer = picluster("runs")
    assert answer.err == ""
    assert [line.rstrip() for line in answer.out.splitlines()] == [
        "run, tag",
        "  status      plan              epochs  validation    test      time",
        "2026-11-20-sage-reddit-like-0.003-ymbu  first-try",
        "  finished    layer-split          2/2      0.1268  0.1012      1:02",
    ]


def test_where_the_width_allows_a_run_is_a_line(
    picluster: Picluster, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "130")
    folder = a_run(here, "2026-11-20-sage-reddit-like-0.003-ymbu", tag="first-try")
    folder.end(Result(status="finished", failure=None, test_accuracy=0.1012, ended=1062.0))
    a_run(here, "short", started=1.0).end(Result(status="finished", failure=None, test_accuracy=None, ended=7.0))
    heads, first, second = picluster("runs").out.splitlines()
    assert first.split()[:3] == ["2026-11-20-sage-reddit-like-0.003-ymbu", "first-try", "finished"]
    assert heads.index("status") == first.index("finished") == second.index("finished")


def test_only_so_many_are_listed_the_newest(picluster: Picluster, here: Path) -> None:
    for number in range(4):
        a_run(here, f"run{number}", started=float(number))
    assert [run.run for run in listed(picluster, "--limit", "2").runs] == ["run3", "run2"]
    lines = picluster("runs", "--limit", "2").out.splitlines()
    assert [line.split()[0] for line in lines] == ["run,", "run3", "run2", "…"]
    assert lines[-1] == "… and 2 older"


def test_in_a_terminal_the_newest_stay_visible(
    picluster: Picluster, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LINES", "10")
    monkeypatch.setenv("TTY_COMPATIBLE", "1")
    for number in range(12):
        a_run(here, f"run{number}", started=float(number))
    lines = [line.partition("m")[2] or line for line in picluster("runs").out.splitlines()]
    assert len(lines) <= 9
    assert "run11" in lines[1] + lines[2]
    assert "older" in lines[-1]


def test_another_program_finds_these_keys(picluster: Picluster, here: Path) -> None:
    a_run(here, "one")
    told = json.loads(picluster("runs", "--json").out)
    assert set(told) == {"schema_version", "runs"}
    assert set(told["runs"][0]) == KEYS


def test_runs_are_chosen_by_their_tag(picluster: Picluster, here: Path) -> None:
    a_run(here, "one", tag="x")
    a_run(here, "two", tag="y")
    a_run(here, "three")
    assert [run.run for run in listed(picluster, "--tag", "x").runs] == ["one"]
    answer = picluster("runs", "--tag", "z")
    assert answer.code == 2
    assert answer.err == "error: no run has the tag z\n  fix: the tags are: x, y\n"


@pytest.mark.parametrize("name", ["run.json", "plan.json", "events.jsonl", "result.json"])
def test_a_damaged_run_is_listed_with_what_is_wrong_and_hides_no_other(
    picluster: Picluster, here: Path, name: str
) -> None:
    good, bad = a_run(here, "good"), a_run(here, "bad")
    (bad.path / name).write_text("nonsense\n")
    runs = {run.run: run for run in listed(picluster).runs}
    assert (runs["good"].status, runs["bad"].status) == ("finished", "unreadable")
    assert name in runs["bad"].problem
    answer = picluster("runs")
    assert answer.code == 0
    assert f"bad   unreadable  runs/bad/{name} " in answer.out
    assert good.name in answer.out


def test_an_empty_folder_among_the_runs_is_listed_as_unreadable(picluster: Picluster, here: Path) -> None:
    (here / "runs" / "empty").mkdir(parents=True)
    assert [(run.run, run.problem) for run in listed(picluster).runs] == [
        ("empty", "the run folder runs/empty lacks run.json")
    ]


def test_a_failed_a_running_and_a_dead_run_say_what_they_are(picluster: Picluster, here: Path) -> None:
    failed, running, dead = a_run(here, "failed"), a_run(here, "running"), a_run(here, "dead")
    failure = Failure(node="a", layers=(), cause="no memory", fix="", log=None)
    failed.end(Result(status="failed", failure=failure, test_accuracy=None, ended=1010.0))
    for folder in (running, dead):
        folder.result_file.unlink()
    running.begin(
        msgspec.structs.replace(running.run(), controller=this_controller()), running.plan(), running.environment()
    )
    runs = {run.run: run for run in listed(picluster).runs}
    assert {name: run.status for name, run in runs.items()} == {
        "failed": "failed",
        "running": "running",
        "dead": "failed",
    }
    assert (runs["failed"].problem, runs["failed"].seconds) == ("no memory", 10.0)
    assert runs["running"].seconds is not None
    assert runs["dead"].seconds is None


def test_a_name_that_looks_like_markup_is_shown_as_it_is(picluster: Picluster, here: Path) -> None:
    a_run(here, "[red]x", tag="[b]")
    assert "\n[red]x  [b]  finished " in picluster("runs").out


@pytest.mark.parametrize("word", ["ymbu", "2026-sage-ymbu", "runs/2026-sage-ymbu"])
def test_a_run_is_named_by_its_four_letters_its_name_or_its_path(picluster: Picluster, here: Path, word: str) -> None:
    a_run(here, "2026-sage-ymbu", started=1.0)
    a_run(here, "2026-sage-abcd", started=2.0)
    assert json.loads(picluster("report", "--json", word).out)["run"] == "2026-sage-ymbu"


def test_letters_that_two_runs_share_are_refused_with_both_names(picluster: Picluster, here: Path) -> None:
    a_run(here, "one-ymbu")
    a_run(here, "two-ymbu")
    answer = picluster("report", "ymbu")
    assert answer.code == 2
    assert answer.err == "error: 2 runs end with ymbu: one-ymbu, two-ymbu\n  fix: give the whole name\n"


def test_other_endings_of_a_name_are_not_taken_for_its_letters(picluster: Picluster, here: Path) -> None:
    a_run(here, "2026-sage-ymbu")
    for word in ("mbu", "ge-ymbu", "*bcd", "x" * 5000):
        assert picluster("report", word).err.startswith(f"error: there is no run {word}\n")


def test_a_run_folder_of_version_1_is_still_read(picluster: Picluster, here: Path) -> None:
    folder = copy_of_run_v1(here / "runs" / "old")
    assert not (folder / "model.py").exists()
    assert [(run.status, run.tag) for run in listed(picluster).runs] == [("finished", "")]
    shutil.rmtree(folder)
