"""What a plan refuses, and what it says of nodes, ranks and roles."""

import pytest
from hypothesis import given

from picluster.errors import InputError
from picluster.schema.plan import Plan, StagePlan
from tests.unit.schema.drawing import plans


def make_plan(sampler: str, *stages: tuple[tuple[int, ...], str]) -> Plan:
    """Nodes are single letters."""
    holders = tuple(StagePlan(layers=layers, nodes=tuple(nodes)) for layers, nodes in stages)
    return Plan(strategy="layer-split", engine="gloo", sampler=tuple(sampler), stages=holders)


HYBRID = make_plan("a", ((1, 2), "bc"), ((3,), "d"))
SHARED = make_plan("a", ((1,), "a"), ((2,), "b"))


@pytest.mark.parametrize(
    "layers",
    [
        [],
        [(2,)],
        [(0, 1)],
        [(1,), (3,)],
        [(2,), (1,)],
        [(2, 1)],
        [(1, 2), (2, 3)],
        [(1, 1)],
    ],
)
def test_layers_out_of_order_missing_or_twice_are_refused(layers: list[tuple[int, ...]]) -> None:
    with pytest.raises(InputError, match="layers 1, 2, 3 … in order, each once"):
        make_plan("a", *((held, letter) for held, letter in zip(layers, "bcd", strict=False)))


@pytest.mark.parametrize(
    ("sampler", "stages"),
    [
        ("a", [((1, 2), "")]),
        ("a", [((1,), "b"), ((), "c"), ((2,), "d")]),
        ("", [((1, 2), "b")]),
    ],
)
def test_a_plan_with_an_empty_place_is_refused(sampler: str, stages: list[tuple[tuple[int, ...], str]]) -> None:
    with pytest.raises(InputError, match="needs a node and a layer, and somebody must sample"):
        make_plan(sampler, *stages)


@pytest.mark.parametrize(
    ("sampler", "stages", "where"),
    [
        ("a", [((1,), "bb"), ((2,), "c")], "b twice in the stages"),
        ("a", [((1,), "bc"), ((2,), "cb")], "b, c twice in the stages"),
        ("aa", [((1, 2), "b")], "a twice in the sampler"),
    ],
)
def test_a_node_named_twice_is_refused(sampler: str, stages: list[tuple[tuple[int, ...], str]], where: str) -> None:
    with pytest.raises(InputError, match=where):
        make_plan(sampler, *stages)


def test_a_node_may_both_sample_and_hold_a_stage() -> None:
    assert SHARED.nodes == ("a", "b")
    assert [SHARED.role_of(node) for node in SHARED.nodes] == ["sampler + stage 1", "stage 2"]


@given(plans())
def test_ranks_count_every_node_once_samplers_first_then_stage_by_stage(plan: Plan) -> None:
    assert plan.ranks(plan.nodes) == tuple(range(len(plan.nodes)))
    assert plan.nodes[: len(plan.sampler)] == plan.sampler
    stages = [plan.stage_of(node) for node in plan.nodes if node not in plan.sampler]
    assert stages == sorted(stage for stage in stages if stage is not None)


@given(plans())
def test_a_node_s_layers_are_those_of_its_stage(plan: Plan) -> None:
    for number, stage in enumerate(plan.stages):
        for node in stage.nodes:
            assert plan.stage_of(node) == number
            assert plan.layers_of(node) == stage.layers
    assert plan.depth == sum(len(stage.layers) for stage in plan.stages)


def test_roles_say_in_words_what_a_node_does() -> None:
    assert {node: HYBRID.role_of(node) for node in HYBRID.nodes} == {
        "a": "sampler",
        "b": "stage 1",
        "c": "stage 1",
        "d": "stage 2",
    }


def test_a_node_that_only_samples_holds_no_stage_and_no_layer() -> None:
    assert HYBRID.stage_of("a") is None
    assert HYBRID.layers_of("a") == ()


def test_replicas_have_ranks_in_the_order_in_which_they_are_named() -> None:
    assert HYBRID.ranks(("c", "b", "d")) == (2, 1, 3)
