"""The spine: any plan of one spec learns the same, bit for bit, in real processes."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from itertools import product
from pathlib import Path

import pytest

from picluster.controller.record.run_folder import RunFolder
from tests.integration.desk import GRAPH, Desk, assert_memory_was_as_expected, losses, steps_of
from tests.integration.recorded import assert_as_recorded

PLANS = {
    "single": ("--strategy", "single"),
    "data-parallel": ("--strategy", "data-parallel", "--nodes", "3"),
    "layer-split": ("--nodes", "3"),
    "hybrid": ("--nodes", "4"),
    "hybrid, sampler inside": ("--nodes", "2"),
}
SPLIT = [plan for plan in PLANS if plan not in ("single", "data-parallel")]
DEPTHS = {"sage": 2, "gcn": 2, "gcnii": 4}
# At least 30 steps each: 30 full batches; 7 sampled steps in each of 5 epochs. 12 micro-batches everywhere.
MODES = {
    "sampled": ("--batch-size", "64", "--epochs", "5"),
    "full batch": ("--fanout", "all", "--epochs", "30"),
}
FANOUTS = {2: ("--fanout", "5,4"), 4: ("--fanout", "4,3,2,2")}
SAME = (*GRAPH, "--hidden", "24", "--dropout", "0.4", "--micro-batches", "12", "--seed", "7")


def run_of(desk: Desk, model: str, mode: str, plan: str, engine: str, *more: str) -> RunFolder:
    depth = DEPTHS[model]
    words = [*SAME, "--model", model, "--depth", str(depth), *MODES[mode], *PLANS[plan], "--engine", engine, *more]
    words += FANOUTS[depth] if mode == "sampled" else ()
    words += ("--layers-per-node", str(depth // 2)) if plan in SPLIT else ()
    return desk.launch(*words)


@pytest.fixture(scope="module")
def single_run(desk: Desk) -> Callable[[str, str], RunFolder]:
    """Runs of one process, which everything is compared with: each is made once, when it is asked for."""
    return lru_cache(lambda model, mode: run_of(desk, model, mode, "single", "sockets"))


THOROUGH = [pytest.mark.slow, pytest.mark.thorough]
# Both modes, and a plan with cuts and replicas, are among those that are not thorough; replicas of the whole model are
# in tests/lab/test_engines.py, gcnii is in test_recorded_bits.py.
CASES = [
    *(
        pytest.param(*case, marks=pytest.mark.slow)
        for case in [
            ("sage", "full batch", "layer-split"),
            ("gcn", "sampled", "hybrid, sampler inside"),
        ]
    ),
    *(
        pytest.param(*case, marks=THOROUGH)
        for case in [
            ("sage", "sampled", "data-parallel"),
            ("gcnii", "sampled", "hybrid"),
            ("gcn", "full batch", "hybrid"),
            ("gcn", "full batch", "data-parallel"),
            ("gcnii", "sampled", "layer-split"),
            ("gcnii", "full batch", "data-parallel"),
        ]
    ),
]


@pytest.mark.parametrize(("model", "mode", "plan"), CASES)
def test_every_plan_over_sockets_gives_the_losses_of_one_process(
    desk: Desk, single_run: Callable[[str, str], RunFolder], model: str, mode: str, plan: str
) -> None:
    run = run_of(desk, model, mode, plan, "sockets")
    assert len(losses(run)) >= 30
    assert losses(run) == losses(single_run(model, mode))
    assert_is_what_it_says(run, plan)


# Every engine carries every strategy, with the same losses, in tests/lab/test_engines.py.
@pytest.mark.parametrize(
    ("engine", "model", "mode", "plan"),
    [
        pytest.param("gloo", "sage", "sampled", "data-parallel", marks=THOROUGH),
        pytest.param("gloo", "gcnii", "sampled", "layer-split", marks=THOROUGH),
        pytest.param("rpc", "gcn", "full batch", "hybrid", marks=THOROUGH),
    ],
)
def test_a_plan_over_another_engine_gives_the_losses_of_one_process(
    desk: Desk, single_run: Callable[[str, str], RunFolder], engine: str, model: str, mode: str, plan: str
) -> None:
    run = run_of(desk, model, mode, plan, engine)
    assert losses(run) == losses(single_run(model, mode))
    assert_is_what_it_says(run, plan)


@pytest.mark.slow
@pytest.mark.thorough
def test_eight_layers_over_four_nodes_give_the_losses_of_one_process(desk: Desk) -> None:
    few = ("--micro-batches", "4", "--epochs", "12")
    words = (*SAME, "--model", "gcnii", "--depth", "8", "--fanout", "all", *few)
    run = desk.launch(*words, "--layers-per-node", "2", "--nodes", "4")
    assert [stage.layers for stage in run.plan().stages] == [(1, 2), (3, 4), (5, 6), (7, 8)]
    assert losses(run) == losses(desk.launch(*words, *PLANS["single"]))


GAT = """
from torch_geometric.nn import GATConv
from picluster.nn import PygLayer

def layers(*, features, classes, depth=2, hidden=24, dropout=0.5):
    return [
        PygLayer(GATConv(features, hidden // 4, heads=4), dropout=dropout),
        PygLayer(GATConv(hidden, classes), dropout=dropout, last=True),
    ]
"""


@pytest.mark.parametrize(
    ("plan", "cuts"),
    [
        pytest.param(("--layers-per-node", "1", "--nodes", "2"), ["rows"], marks=pytest.mark.slow),
        pytest.param(("--strategy", "data-parallel", "--nodes", "3"), [], marks=THOROUGH),
    ],
    ids=["layer-split", "data-parallel"],
)
def test_attention_of_pyg_gives_the_losses_of_one_process_though_full_rows_cross_the_cut(
    desk: Desk, tmp_path: Path, plan: tuple[str, ...], cuts: list[str]
) -> None:
    pytest.importorskip("torch_geometric", reason="its convolution is PyG's", exc_type=ImportError)
    (tmp_path / "gat.py").write_text(GAT)
    few = ("--micro-batches", "4", "--epochs", "2")
    words = (*SAME, "--model", str(tmp_path / "gat.py"), *MODES["sampled"], *FANOUTS[2], *few)
    run = desk.launch(*words, *plan)
    assert [stage.receives for stage in run.plan().stages[1:]] == cuts
    assert losses(run) == losses(desk.launch(*words, *PLANS["single"]))


@pytest.mark.parametrize(
    "case",
    [
        pytest.param(case, marks=[] if case == ("sage", "sampled") else pytest.mark.slow, id=", ".join(case))
        for case in product(DEPTHS, MODES)
    ],
)
def test_one_process_learns_what_is_recorded(
    single_run: Callable[[str, str], RunFolder], case: tuple[str, str]
) -> None:
    assert_as_recorded(", ".join(case), single_run(*case))


@pytest.mark.slow
@pytest.mark.thorough
def test_another_seed_gives_other_losses(desk: Desk, single_run: Callable[[str, str], RunFolder]) -> None:
    single = losses(single_run("sage", "sampled"))
    other = losses(run_of(desk, "sage", "sampled", "single", "sockets", "--seed", "8"))
    assert len(other) == len(single)
    assert all(one != another for one, another in zip(other, single, strict=True))


@pytest.mark.slow
def test_another_partition_of_the_step_gives_other_losses(
    desk: Desk, single_run: Callable[[str, str], RunFolder]
) -> None:
    """Micro-batches belong to the spec; were they ignored, equality of plans would prove nothing."""
    other = losses(run_of(desk, "sage", "sampled", "single", "sockets", "--micro-batches", "5"))
    assert other != losses(single_run("sage", "sampled"))


def assert_is_what_it_says(run: RunFolder, name: str) -> None:
    """Layers are where the plan says, rows or gradients really crossed, and memory was as the plan expected."""
    assert_memory_was_as_expected(run)
    plan = run.plan()
    held = [stage.layers for stage in plan.stages]
    layers, middle = tuple(range(1, plan.depth + 1)), plan.depth // 2
    assert held == ([layers[:middle], layers[middle:]] if name in SPLIT else [layers])
    processes = {"single": 1, "data-parallel": 3, "layer-split": 3, "hybrid": 4, "hybrid, sampler inside": 2}
    assert len(plan.nodes) == processes[name]
    for node in plan.nodes:
        sent = [step.sent_bytes for step in steps_of(run, node)]
        assert sent
        if name == "single":
            assert not any(sent)
        elif plan.stage_of(node) is not None:
            assert all(sent)
