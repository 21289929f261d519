"""Real Cora: the published accuracy."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import partial
from statistics import fmean

import pytest

from picluster.controller.record.report import make_report
from picluster.controller.record.run_folder import RunFolder
from tests.integration.desk import Desk

TIMEOUT_SECONDS = 600


def accuracy(desk: Desk, model: str, seed: int) -> float:
    """Test accuracy of a run in one process: any other plan gives the same."""
    tag = f"{model}-{seed}"
    words = ("--dataset", "cora", "--model", model, "--seed", str(seed), "--strategy", "single", "--tag", tag)
    with desk.start("launch", *words) as process:
        _, errors = process.communicate(timeout=TIMEOUT_SECONDS)
    assert process.returncode == 0, errors
    runs = [RunFolder(desk.folder / "runs" / name) for name in desk.runs()]
    (result,) = [run.result() for run in runs if run.run().tag == tag]
    assert result is not None
    return result.test_accuracy or 0.0


@pytest.mark.slow
def test_gcn_learns_cora_with_the_defaults(desk: Desk, cora_input: str) -> None:
    desk.environment["PICLUSTER_INPUT"] = cora_input
    report = make_report(desk.launch("--dataset", "cora", "--model", "gcn", "--layers-per-node", "1"))
    assert [stage.layers for stage in report.plan.stages] == [(1,), (2,)]
    assert len(report.epochs) == 200
    assert report.evaluation == "exact"
    assert report.test_accuracy is not None
    assert report.test_accuracy >= 0.79


def accuracies(desk: Desk, cora_input: str, model: str, seeds: int) -> list[float]:
    """Test accuracies over seeds, two runs at a time."""
    desk.environment["PICLUSTER_INPUT"] = cora_input
    prepared = desk.picluster("dataset", "prepare", "cora")
    assert prepared.returncode == 0, prepared.stderr
    with ThreadPoolExecutor(2) as two_at_a_time:
        return list(two_at_a_time.map(partial(accuracy, desk, model), range(seeds)))


@pytest.mark.slow
@pytest.mark.thorough  # over seeds beside PyG: test_cora_beside_pyg.py
@pytest.mark.timeout(1200)
def test_gcn_reaches_the_published_accuracy_over_three_seeds(desk: Desk, cora_input: str) -> None:
    """Kipf and Welling (2017, table 2): 0.815 on the Planetoid split."""
    found = accuracies(desk, cora_input, "gcn", 3)
    assert fmean(found) >= 0.81, found


@pytest.mark.slow
@pytest.mark.thorough
@pytest.mark.timeout(1200)
def test_gcnii_of_eight_layers_reaches_the_published_accuracy_over_two_seeds(desk: Desk, cora_input: str) -> None:
    """Chen et al. (2020, table 3) with 8 layers: 0.842."""
    found = accuracies(desk, cora_input, "gcnii", 2)
    assert fmean(found) >= 0.835, found
