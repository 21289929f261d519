"""A run of real processes is given up between two steps and taken up again by others, under another plan."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import pytest

from picluster.controller.nodes.local import LocalMachine
from picluster.controller.record.run_folder import RunFolder
from picluster.controller.running.launch import Launch
from picluster.controller.running.launcher import Launcher
from picluster.schema.spec import Adam, ModelChoice, Spec
from picluster.schema.state import Beginning, Position
from tests.integration.desk import CHECKOUT
from tests.learnt import learnt
from tests.unit.worker.random_graph import random_graph
from tests.unit.worker.roles.threads import make_plan, single_plan, write_graph

if TYPE_CHECKING:
    from picluster.controller.nodes.machine import Places
    from picluster.schema.job import Job
    from picluster.schema.plan import Plan
    from picluster.schema.run import Result

NODES = ("pi1", "pi2", "pi3")
SPEC = Spec(
    dataset="random",
    model=ModelChoice(name="sage", depth=2, options={"hidden": 8}),
    fanout=(3, 2),
    batch_size=7,
    micro_batches=2,
    epochs=3,
    seed=4,
    optimizer=Adam(learning_rate=0.05, weight_decay=(0.0, 0.0)),
)


@dataclass(frozen=True, kw_only=True)
class PartOfRun(Launch):
    """From one place to another."""

    stop: Position | None

    def job(self, node: str, places: Places) -> Job:
        return msgspec.structs.replace(super().job(node, places), stop=self.stop)


def run(
    folder: RunFolder, graph: Path, plan: Plan, begin: Beginning, stop: Position | None = None, attempt: int = 1
) -> Result:
    launch = PartOfRun(
        spec=SPEC,
        plan=plan,
        model_file=CHECKOUT / "models" / "sage.py",
        graph_folder=graph,
        transports={node: LocalMachine() for node in plan.nodes},
        grace_seconds=5.0,
        folder=folder,
        attempt=attempt,
        begin=begin,
        stop=stop,
    )
    result = Launcher(launch, lambda _node, _event: None).run()
    assert result.failure is None
    for transport in launch.transports.values():
        transport.close()
    return result


@pytest.mark.slow
def test_processes_go_on_where_those_of_another_plan_stopped(tmp_path: Path) -> None:
    graph = write_graph(tmp_path / "graph", random_graph(70, 0.1, seed=3), features=6, classes=4).path
    whole, cut = RunFolder(tmp_path / "whole"), RunFolder(tmp_path / "cut")
    expected = run(whole, graph, single_plan(2), Beginning())
    split = make_plan(("pi1",), ((1,), ("pi2",), "aggregated"), ((2,), ("pi3",), "aggregated"))
    place = Position(epoch=2, step=2)
    run(cut, graph, split, Beginning(), stop=place)
    state = cut.states.newest(pytest.fail)
    assert [Path(file).name for file in state.layer_files] == [
        f"epoch-2-step-2-layer-{layer}.safetensors" for layer in (1, 2)
    ]
    found = run(cut, graph, single_plan(2), state, attempt=2)
    assert found.test_accuracy == expected.test_accuracy
    assert learnt(cut) == learnt(whole)
