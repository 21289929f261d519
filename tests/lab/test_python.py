"""A run as a function over SSH, and the words of the first wish, on virtual Pis."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.integration.test_python import make_project, told_by_notebook
from tests.lab.running import RunningLab
from tests.lab.shelf import make_shelf

pytestmark = pytest.mark.lab


def test_a_notebook_trains_reports_and_exports_over_ssh(lab: RunningLab, tmp_path: Path) -> None:
    project = make_project(tmp_path / "a project")
    (project / "inventory").mkdir()
    shutil.copy(lab.inventory, project / "inventory" / "hosts.yml")
    told = told_by_notebook(project)
    assert told["nodes"] == ["pi1", "pi2", "pi3"]
    first, second = told["losses"]
    assert first == second
    assert (project / "classes.csv").exists()
    assert Path(told["weights"]).parent == Path(told["folder"])


def test_the_words_of_the_first_wish(lab: RunningLab, tmp_path: Path) -> None:
    desk = make_shelf(tmp_path, lab).desk
    launched = desk.picluster("launch", "--model", "gcn", "--engine", "rpc", "--layers-per-node", "1")
    assert launched.returncode == 0, launched.stdout + launched.stderr
    assert "inventory  inventory/hosts.yml: 4 nodes" in launched.stderr
    reported = desk.picluster("report")
    assert reported.returncode == 0, reported.stderr
    (run,) = desk.runs()
    assert f"run        {run}: finished" in reported.stdout
    assert "engine rpc" in reported.stdout
