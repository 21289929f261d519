"""Recovery: after which failures a run goes on, without which nodes, and under which plan."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, get_args

import pytest

from picluster.controller.nodes.inventory import Node
from picluster.controller.planning.request import LaunchRequest
from picluster.controller.running.placement import Placement
from picluster.controller.running.recovery import Losses, can_go_on, plan_for
from picluster.errors import Fault
from picluster.schema.plan import Plan
from picluster.schema.run import Failure
from tests.unit.controller.made import a_graph, a_model, a_spec

TASK: Any = SimpleNamespace(spec=a_spec(), description=a_model(), graph=SimpleNamespace(meta=a_graph(train=100)))
PI1, PI2, PI3 = (Node(name, memory_bytes=1 << 30, cores=4) for name in ("pi1", "pi2", "pi3"))


def failure(kind: Fault, node: str | None = "pi2") -> Failure:
    return Failure(node=node, layers=(), cause="it broke", fix="", log=None, kind=kind)


def placed(*nodes: Node, **asked: Any) -> Placement:
    return Placement(request=LaunchRequest(**asked), nodes=nodes, facts=[node.facts for node in nodes])


def planned(placement: Placement) -> Plan:
    return placement.plan(TASK)


def test_a_run_goes_on_after_what_nodes_do_and_not_after_what_would_fail_anywhere() -> None:
    worth_it = {kind for kind in get_args(Fault) if can_go_on(failure(kind), 1)}
    assert set(get_args(Fault)) - worth_it == {"refused", "model", "other"}
    assert {kind for kind in get_args(Fault) if can_go_on(failure(kind), 0)} == {"paused"}


def test_a_node_that_is_cut_off_is_left_out_once() -> None:
    losses = Losses()
    losses.hear(failure("unreachable"), (), made_progress=True)
    assert losses.lost == {"pi2"}
    losses.hear(failure("frozen", "pi1"), (), made_progress=True)
    assert losses.lost == set()


@pytest.mark.parametrize("kind", ["out-of-memory", "disk", "ended"])
def test_a_node_on_which_it_would_come_again_is_left_out_for_good(kind: Fault) -> None:
    losses = Losses()
    losses.hear(failure(kind), (), made_progress=True)
    losses.hear(failure("killed", "pi1"), (), made_progress=True)
    assert losses.lost == {"pi2"}


def test_a_worker_that_is_killed_again_and_again_at_one_place_is_left_out() -> None:
    losses = Losses()
    for _ in range(3):
        losses.hear(failure("killed"), (), made_progress=True)
        assert losses.lost == set()
    losses.hear(failure("killed"), (), made_progress=False)
    assert losses.lost == {"pi2"}


def test_nodes_that_could_not_be_used_are_all_left_out_of_the_next_attempt() -> None:
    losses = Losses()
    losses.hear(failure("unreachable", "pi1"), ("pi1", "pi3"), made_progress=False)
    assert losses.lost == {"pi1", "pi3"}


def test_the_plan_stays_where_its_nodes_are_left() -> None:
    plan = planned(placed(PI1, PI2))
    placement = placed(PI3, PI2, PI1)
    assert plan_for(plan, placement, TASK) == (plan, placement)


@pytest.mark.parametrize("strategy", ["single", "data-parallel", "layer-split"])
def test_another_plan_has_the_strategy_and_engine_of_the_one_before(strategy: str) -> None:
    plan = planned(placed(PI1, PI2, PI3, strategy=strategy, engine="rpc"))
    found = plan_for(plan, placed(PI2, PI3), TASK)
    assert found
    assert (found[0].strategy, found[0].engine, set(found[0].nodes) | set(found[0].idle)) == (
        strategy,
        "rpc",
        {"pi2", "pi3"},
    )


def test_a_split_over_more_nodes_than_are_left_gives_way_to_one_over_fewer() -> None:
    plan = planned(placed(PI1, PI2, layers_per_node=1))
    found = plan_for(plan, placed(PI2, layers_per_node=1), TASK)
    assert found
    assert [stage.layers for stage in found[0].stages] == [(1, 2)]


def test_a_plan_of_a_file_gives_way_to_one_for_the_nodes_that_are_left() -> None:
    plan = planned(placed(PI1, PI2, PI3))
    found = plan_for(plan, placed(PI3, PI2, plan=plan), TASK)
    assert found
    assert found[1].request.plan is None


def test_without_nodes_there_is_no_plan() -> None:
    assert plan_for(planned(placed(PI1, PI2)), placed(), TASK) is None
