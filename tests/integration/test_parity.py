"""The spine: any plan of one spec learns the same, bit for bit, in real processes."""

from __future__ import annotations

from itertools import product

import pytest

from picluster.controller.run_folder import RunFolder
from tests.integration.desk import GRAPH, Desk, losses, steps_of

PLANS = {
    "single": ("--strategy", "single"),
    "data-parallel": ("--strategy", "data-parallel", "--nodes", "3"),
    "layer-split": ("--layers-per-node", "1", "--nodes", "3"),
    "hybrid": ("--layers-per-node", "1", "--nodes", "4"),
    "hybrid, sampler inside": ("--layers-per-node", "1", "--nodes", "2"),
}
# At least 30 steps each: 30 full batches; 7 sampled steps in each of 5 epochs. 12 micro-batches everywhere.
MODES = {
    "sampled": ("--fanout", "5,4", "--batch-size", "64", "--epochs", "5"),
    "full batch": ("--fanout", "all", "--epochs", "30"),
}
SAME = (*GRAPH, "--hidden", "24", "--dropout", "0.4", "--micro-batches", "12", "--seed", "7")


def run_of(desk: Desk, model: str, mode: str, plan: str, engine: str, *more: str) -> RunFolder:
    return desk.launch(*SAME, "--model", model, *MODES[mode], *PLANS[plan], "--engine", engine, *more)


@pytest.fixture(scope="module")
def single(desk: Desk) -> dict[tuple[str, str], list[float]]:
    """Losses of one process, which everything is compared with."""
    cases = product(("sage", "gcn"), MODES)
    return {(model, mode): losses(run_of(desk, model, mode, "single", "gloo")) for model, mode in cases}


@pytest.mark.parametrize("plan", [plan for plan in PLANS if plan != "single"])
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("model", ["sage", "gcn"])
def test_every_plan_over_gloo_gives_the_losses_of_one_process(
    desk: Desk, single: dict[tuple[str, str], list[float]], model: str, mode: str, plan: str
) -> None:
    run = run_of(desk, model, mode, plan, "gloo")
    assert len(losses(run)) >= 30
    assert losses(run) == single[model, mode]
    assert_is_what_it_says(run, plan)


@pytest.mark.parametrize(
    ("model", "mode", "plan"),
    [
        ("sage", "sampled", "single"),
        ("sage", "sampled", "data-parallel"),
        ("sage", "full batch", "layer-split"),
        ("gcn", "sampled", "hybrid"),
        ("gcn", "full batch", "hybrid"),
    ],
)
def test_every_plan_over_rpc_gives_the_losses_of_one_process(
    desk: Desk, single: dict[tuple[str, str], list[float]], model: str, mode: str, plan: str
) -> None:
    run = run_of(desk, model, mode, plan, "rpc")
    assert losses(run) == single[model, mode]
    assert_is_what_it_says(run, plan)


def test_another_seed_gives_other_losses(desk: Desk, single: dict[tuple[str, str], list[float]]) -> None:
    other = losses(run_of(desk, "sage", "sampled", "single", "gloo", "--seed", "8"))
    assert len(other) == len(single["sage", "sampled"])
    assert all(one != another for one, another in zip(other, single["sage", "sampled"], strict=True))


def test_another_partition_of_the_step_gives_other_losses(
    desk: Desk, single: dict[tuple[str, str], list[float]]
) -> None:
    """Micro-batches belong to the spec; were they ignored, equality of plans would prove nothing."""
    other = losses(run_of(desk, "sage", "sampled", "single", "gloo", "--micro-batches", "5"))
    assert other != single["sage", "sampled"]


def assert_is_what_it_says(run: RunFolder, name: str) -> None:
    """Layers are where the plan says, and rows or gradients really crossed between processes."""
    plan = run.plan()
    held = [stage.layers for stage in plan.stages]
    expected = [(1, 2)] if name in ("single", "data-parallel") else [(1,), (2,)]
    assert held == expected
    processes = {"single": 1, "data-parallel": 3, "layer-split": 3, "hybrid": 4, "hybrid, sampler inside": 2}
    assert len(plan.nodes) == processes[name]
    for node in plan.nodes:
        sent = [step.sent_bytes for step in steps_of(run, node)]
        assert sent
        if name == "single":
            assert not any(sent)
        elif plan.stage_of(node) is not None:
            assert all(sent)
