"""`picluster logs` on the command line."""

from pathlib import Path

from tests.unit.cli.conftest import Picluster
from tests.unit.controller.made import copy_of_run_v1


def test_a_run_without_trouble_says_that_its_logs_are_empty(picluster: Picluster, here: Path) -> None:
    run = copy_of_run_v1(here / "runs" / "run")
    for log in run.glob("nodes/*/log.txt"):
        log.unlink()
    answer = picluster("logs")
    assert (answer.code, answer.out) == (0, "")
    assert answer.err == "run run: no worker has written anything to its log: there was no trouble to tell of\n"
    assert picluster("logs", "--follow").err == answer.err
    name = min(each.name for each in run.glob("nodes/*"))
    assert picluster("logs", "run", name).err.startswith(f"run run: {name} has written nothing to its log")


def test_lines_of_a_log_are_all_that_is_said(picluster: Picluster, here: Path) -> None:
    run = copy_of_run_v1(here / "runs" / "run")
    name = min(each.name for each in run.glob("nodes/*"))
    (run / "nodes" / name / "log.txt").write_text("a warning\n")
    answer = picluster("logs", "run", name)
    assert (answer.out, answer.err) == (f"{name} │ a warning\n", "")
