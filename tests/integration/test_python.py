"""A run as a function: a script such as a notebook, in a folder of its own, with a model and a graph of its own."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file

from picluster.controller.record.run_folder import RunFolder
from picluster.graph.folder import GraphFolder
from picluster.graph.writer import GraphWriter
from tests.unit.graph.small_graph import ARRAYS

pytestmark = pytest.mark.slow

MODEL = """
from picluster.nn import SageLayer

def layers(*, features, classes, depth=2, hidden=4):
    widths = [features, *[hidden] * (depth - 1), classes]
    return [SageLayer(widths[i], widths[i + 1], last=i == depth - 1) for i in range(depth)]
"""
NOTEBOOK = """
import json, signal, sys
import picluster
from picluster.errors import InputError, RunFailed

before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGTSTP)]
heard, notes = [], []
options = dict(dataset="own", model="mine.py", seed=1, **json.loads(sys.argv[1]))
run = picluster.launch(
    **options, layers_per_node=1, epochs=3, on_event=lambda node, event: heard.append((node, type(event).__name__)),
    on_note=notes.append,
)
run.export(output="own.safetensors", predictions="classes.csv")
plan = picluster.plan(**options, strategy="single")
again = picluster.launch(**options, plan=plan, epochs=3)
try:
    picluster.launch(**options, epochs=3, learning_rate=1e30)
except RunFailed as error:
    failed = [error.what, error.fix, error.log]
try:
    picluster.launch(**options, epoch=3)
except InputError as error:
    refused = error.what
assert before == [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGTSTP)]
assert "torch" not in sys.modules
print(json.dumps({
    "folder": str(run.folder), "accuracy": run.test_accuracy, "weights": str(run.weights), "notes": notes,
    "heard": sorted(set(heard)), "failed": failed, "refused": refused,
    "losses": [[epoch.loss for epoch in each.report().epochs] for each in (run, again)],
    "nodes": [node.name for node in run.report().nodes], "single": [node.name for node in again.report().nodes],
    "last": picluster.report().run, "runs": [each.status for each in picluster.runs()],
}))
"""


def make_project(folder: Path) -> Path:
    """A folder with a model and a graph of its own, and a notebook; no clone is near."""
    folder.mkdir(exist_ok=True)
    (folder / "mine.py").write_text(MODEL)
    (folder / "notebook.py").write_text(NOTEBOOK)
    with GraphWriter(folder / "graphs" / "own", source="a test", classes=2) as writer:
        for name, array in {**ARRAYS, "test": np.array([2], np.int32)}.items():
            writer.write(name, array)
    return folder


def told_by_notebook(project: Path, **options: object) -> dict[str, Any]:
    """What the notebook prints at its end; it prints nothing else."""
    done = subprocess.run(
        [sys.executable, "notebook.py", json.dumps(options)],
        cwd=project,
        env={**os.environ, "XDG_CACHE_HOME": str(project / "cache")},
        capture_output=True,
        text=True,
        check=False,
        timeout=800,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_project(tmp_path_factory.mktemp("a project of one's own"))


@pytest.fixture(scope="module")
def told(project: Path) -> dict[str, Any]:
    return told_by_notebook(project)


def test_a_notebook_trains_reports_and_lists_in_a_folder_of_its_own(project: Path, told: dict[str, Any]) -> None:
    assert Path(told["folder"]).parent == project / "runs"
    assert 0 <= told["accuracy"] <= 1
    assert told["nodes"] == ["local1", "local2", "local3"]
    assert told["runs"] == ["failed", "finished", "finished"]
    assert ["local3", "EpochDone"] in told["heard"]
    assert told["notes"][0].endswith("local.yml: 4 nodes")


def test_the_record_has_the_command_that_does_the_same(told: dict[str, Any]) -> None:
    typed = "picluster launch --dataset own --model mine.py --epochs 3 --seed 1 --layers-per-node 1"
    assert " ".join(RunFolder(Path(told["folder"])).environment().command) == typed


def test_a_plan_that_was_made_before_learns_the_same(told: dict[str, Any]) -> None:
    first, second = told["losses"]
    assert len(first) == 3
    assert first == second
    assert told["single"] == ["local1"]


def test_weights_and_predictions_are_exported(project: Path, told: dict[str, Any]) -> None:
    assert load_file(told["weights"]).keys() == load_file(project / "own.safetensors").keys()
    with (project / "classes.csv").open() as table:
        lines = list(csv.reader(table))
    assert len(lines) == 1 + GraphFolder.open(project / "graphs" / "own").meta.nodes


def test_a_failure_is_an_error_that_says_which_node_why_and_where_its_log_is(
    project: Path, told: dict[str, Any]
) -> None:
    what, fix, log = told["failed"]
    assert "failed: the loss became" in what
    assert fix
    assert (project / log).exists()
    assert "'epoch' is unknown" in told["refused"]


def test_an_interrupt_ends_the_run_as_stopped(project: Path) -> None:
    (project / "endless.py").write_text(
        "import picluster\nfrom picluster.errors import Stopped\n"
        "say = lambda node, event: print(type(event).__name__, flush=True)\n"
        "try:\n    picluster.launch(dataset='own', model='mine.py', epochs=10**6, on_event=say)\n"
        "except Stopped as error:\n    print('stopped by', error.by)\n"
    )
    with subprocess.Popen([sys.executable, "endless.py"], cwd=project, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        while process.stdout.readline() != "EpochDone\n":
            assert process.poll() is None
        process.send_signal(signal.SIGINT)
        assert process.stdout.read().splitlines()[-1] == "stopped by Ctrl-C"
    assert process.returncode == 0
