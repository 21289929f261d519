"""Models that are pre-trained, and mirrored training: the same losses, and the embedding learnt once."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from picluster.controller.record.run_folder import RunFolder
from tests.integration.desk import CHECKOUT, Desk, losses, make_desk

INPUT = Path(os.environ.get("PICLUSTER_INPUT") or "input")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not (INPUT / "cora-linqs" / "cora.content").exists(), reason="needs the LINQS files of Cora in $PICLUSTER_INPUT"
    ),
]

MODEL = "small/graph_feature_embedding.py"
WORDS = ("--dataset", "cora-linqs", "--model", MODEL, "--epochs", "3")
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


@pytest.mark.timeout(240)
def test_mirrored_learns_bitwise_what_a_single_process_learns_and_pre_trains_so_too(desk: Desk) -> None:
    single, learner = launched(desk, "--strategy", "single")
    mirrored, mirrored_learner = launched(desk, "--strategy", "mirrored", "--replicas", "2", "--pretrain")
    assert mirrored_learner.plan().stages[0].nodes == mirrored.plan().stages[0].nodes == ("pi1.1", "pi1.2")
    assert losses(mirrored_learner) == losses(learner)
    assert losses(mirrored) == losses(single)


@pytest.mark.timeout(120)
def test_other_splits_take_what_was_learnt_before(desk: Desk) -> None:
    shown = desk.picluster("launch", *WORDS, "--split-seed", "1", "--strategy", "single")
    assert shown.returncode == 0, shown.stderr
    assert "embedding  learnt before, by " in shown.stderr


def test_replicas_go_with_mirrored_alone(desk: Desk) -> None:
    refused = desk.picluster("launch", "--strategy", "single", "--replicas", "2")
    assert refused.returncode == 2
    assert "--replicas goes with mirrored" in refused.stderr
