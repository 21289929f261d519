"""Any plan, not only those that the planner makes."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest

from picluster.schema.spec import Spec
from tests.integration.desk import GRAPH, Desk
from tests.learnt import learnt

NODES = [f"pi{number}" for number in range(1, 6)]


def random_spec(dice: random.Random, depth: int) -> list[str]:
    sampled = [
        "--fanout",
        ",".join(str(dice.choice([2, 5, 30])) for _ in range(depth)),
        "--batch-size",
        str(dice.choice([23, 153])),
    ]
    words = sampled if dice.random() < 0.7 else ["--fanout", "all"]
    for option, values in {
        "--model": ["sage", "gcn", "gcnii"],
        "--hidden": ["7", "24"],
        "--dropout": ["0", "0.5"],
        "--micro-batches": ["1", "2", "5"],
        "--features": ["fp16", "fp32", "int8"],
        "--wire": ["fp32", "fp16", "int8"] if depth > 1 else ["fp32"],
        "--validation": ["exact"] if "all" in words else ["sampled", "exact"],
        "--patience": ["1", "99"],
    }.items():
        words += [option, dice.choice(values)]
    return [*words, "--depth", str(depth), "--epochs", "4"]


def random_plan(dice: random.Random, spec: Spec) -> dict[str, object]:
    """Stages cut anywhere and in either way, replicas anywhere, samplers alone or beside a stage."""
    depth = spec.model.depth
    pool = dice.sample(NODES, len(NODES))
    cuts = sorted(dice.sample(range(1, depth), dice.randint(0, depth - 1)))
    stages: list[dict[str, Any]] = []
    for begin, end in zip([0, *cuts], [*cuts, depth], strict=True):
        spare = len(pool) - (len(cuts) - len(stages))
        holders = [pool.pop() for _ in range(min(dice.choice([1, 2, 3]), spare))]
        receives = spec.form(begin + 1) or dice.choice(["aggregated", "rows"])
        stages.append({"layers": list(range(begin + 1, end + 1)), "nodes": holders, "receives": receives})
    samplers = dice.choice([pool[:1], stages[0]["nodes"], stages[-1]["nodes"][:1]]) or stages[0]["nodes"]
    engine = dice.choice(["sockets", "rpc"])
    return {"strategy": "layer-split", "engine": engine, "sampler": samplers, "stages": stages}


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2))
def test_a_random_plan_learns_what_one_process_learns(desk: Desk, tmp_path: Path, seed: int) -> None:
    dice = random.Random(seed)
    depth = dice.randint(1, 4)
    words = [*GRAPH, *random_spec(dice, depth), "--seed", str(seed)]
    single, plan = desk.launch(*words, "--strategy", "single"), tmp_path / "plan.json"
    plan.write_text(json.dumps(random_plan(dice, single.run().spec)))
    assert learnt(desk.launch(*words, "--plan", str(plan))) == learnt(single)
