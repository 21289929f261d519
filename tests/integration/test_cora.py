"""Real Cora: the published accuracy, in the layer-split plan."""

from __future__ import annotations

from statistics import fmean

import pytest

from picluster.controller.report import make_report
from picluster.schema.report import Report
from tests.integration.desk import Desk


def trained(desk: Desk, cora_input: str, seed: int) -> Report:
    desk.environment["PICLUSTER_INPUT"] = cora_input
    run = desk.launch("--dataset", "cora", "--model", "gcn", "--layers-per-node", "1", "--seed", str(seed))
    return make_report(run)


def test_gcn_learns_cora_with_the_defaults(desk: Desk, cora_input: str) -> None:
    report = trained(desk, cora_input, 0)
    assert [stage.layers for stage in report.plan.stages] == [(1,), (2,)]
    assert len(report.epochs) == 200
    assert report.evaluation == "exact"
    assert report.test_accuracy is not None
    assert report.test_accuracy >= 0.79


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_gcn_reaches_the_published_accuracy_over_ten_seeds(desk: Desk, cora_input: str) -> None:
    """Kipf and Welling (2017, table 2): 0.815 on the Planetoid split."""
    accuracies = [trained(desk, cora_input, seed).test_accuracy or 0.0 for seed in range(10)]
    assert fmean(accuracies) >= 0.81, accuracies
