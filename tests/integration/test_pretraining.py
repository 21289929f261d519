"""Models that are pre-trained, and mirrored training: the same losses, and the embedding learnt once."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import pytest

from picluster.controller.record.run_folder import RunFolder
from tests.integration.desk import CHECKOUT, Desk, losses, make_desk
from tests.integration.stops import ctrl_c, ended_by
from tests.learnt import Learnt, learnt

INPUT = Path(os.environ.get("PICLUSTER_INPUT") or "input")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not (INPUT / "cora-linqs" / "cora.content").exists(), reason="needs the LINQS files of Cora in $PICLUSTER_INPUT"
    ),
]

MODEL = "small/graph_feature_embedding.py"
WORDS = ("--dataset", "cora-linqs", "--model", MODEL, "--epochs", "12")
SMALLER = {"1 << 22": "1 << 16", "batch_size=131072": "batch_size=8192", "epochs=12": "epochs=2"}


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    """A folder whose runs share what was learnt, from fewer pairs than the models ask for."""
    desk = make_desk(tmp_path_factory.mktemp("desk"))
    (desk.folder / "small").mkdir()
    for name in ("graph_feature_embedding", "node_pairs"):
        text = (CHECKOUT / "models" / f"{name}.py").read_text()
        for found, smaller in SMALLER.items():
            text = text.replace(found, smaller)
        (desk.folder / "small" / f"{name}.py").write_text(text)
    return desk


def launched(desk: Desk, *words: str) -> tuple[RunFolder, RunFolder]:
    """The run that was asked for, and the one that learnt its embedding."""
    before = desk.runs()
    done = desk.picluster("launch", *WORDS, *words)
    assert done.returncode == 0, done.stdout + done.stderr
    first, second = (RunFolder(desk.folder / "runs" / name) for name in sorted(desk.runs() - before))
    run, learner = (first, second) if first.run().pretraining else (second, first)
    assert run.run().pretraining == learner.name
    assert len(losses(learner)) == (1 << 16) // 8192 * 2
    return run, learner


@pytest.fixture(scope="module")
def undisturbed(desk: Desk) -> tuple[Learnt, Learnt]:
    """What a single process learns, and its pre-training."""
    run, learner = launched(desk, "--strategy", "single")
    return learnt(run), learnt(learner)


MIRRORED = ("--strategy", "mirrored", "--replicas", "2")
BY_RPC = ("--strategy", "data-parallel", "--nodes", "2", "--engine", "rpc")


@pytest.mark.timeout(400)
@pytest.mark.thorough  # in one process it is tried in test_state.py
def test_a_pre_training_that_is_stopped_goes_on_and_so_does_the_training_after_it(
    desk: Desk, undisturbed: tuple[Learnt, Learnt]
) -> None:
    run, learner = stopped_and_gone_on(desk, (MIRRORED,), (BY_RPC, MIRRORED))
    assert learner.first_plan().stages[0].nodes == run.plan().stages[0].nodes == ("pi1.1", "pi1.2")
    assert (learnt(run), learnt(learner)) == undisturbed
    seen = desk.picluster("attach", learner.letters)
    assert seen.returncode == 0, seen.stderr
    assert [line for line in seen.stdout.splitlines() if line.startswith("run ")] == [
        f"run        runs/{each.name}" for each in (learner, run)
    ]
    again = desk.picluster("launch", "--resume", learner.name)
    assert again.returncode == 2
    assert f"fix: go on with the training after it: picluster launch --resume {run.name}" in again.stderr


def stopped_and_gone_on(
    desk: Desk, before: Sequence[tuple[str, ...]], after: Sequence[tuple[str, ...]]
) -> tuple[RunFolder, RunFolder]:
    """A run and its pre-training, which are stopped once under each plan but for the last of those after it."""
    learner = ended_by(desk, ctrl_c, *WORDS, "--pretrain", *before[0])
    for plan in before[1:]:
        ended_by(desk, ctrl_c, "--resume", learner.name, *plan, run=learner)
    run = ended_by(desk, ctrl_c, "--resume", learner.name, *after[0])
    for plan in after[1:-1]:
        ended_by(desk, ctrl_c, "--resume", run.name, *plan, run=run)
    done = desk.picluster("launch", "--resume", run.name, *after[-1])
    assert done.returncode == 0, done.stderr
    assert run.run().pretraining == learner.name
    return run, learner


@pytest.mark.timeout(120)
@pytest.mark.usefixtures("undisturbed")
def test_other_splits_take_what_was_learnt_before(desk: Desk) -> None:
    shown = desk.picluster("launch", *WORDS, "--split-seed", "1", "--strategy", "single")
    assert shown.returncode == 0, shown.stderr
    assert "embedding  learnt before, by " in shown.stderr


def test_replicas_go_with_mirrored_alone(desk: Desk) -> None:
    refused = desk.picluster("launch", "--strategy", "single", "--replicas", "2")
    assert refused.returncode == 2
    assert "--replicas goes with mirrored" in refused.stderr
