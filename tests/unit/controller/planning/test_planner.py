"""Placements, drawn as text: `s` samples, the numbers are layers, the letters are nodes; and who gets which seat."""

import re
from dataclasses import dataclass
from math import ceil

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from picluster.controller.planning.planner import (
    better_order,
    expected_frontiers,
    fit_plan,
    make_plan,
    seated,
    smaller_cut,
)
from picluster.errors import InputError
from picluster.schema.facts import NodeFacts
from picluster.schema.model import LayerDescription
from picluster.schema.plan import EngineName, Plan, Strategy
from picluster.schema.record import from_json, to_json
from picluster.schema.spec import Spec
from tests.unit.controller.made import a_graph, a_model, a_plan, a_spec, facts_of, strong

GB = 10**9
SHELF = [strong("pi1", GB), strong("pi2", 4 * GB), strong("pi3", 2 * GB), strong("pi4", 8 * GB)]
KNOWN = {node.name: node for node in SHELF}
FEATURES = replace(a_graph(train=100), nodes=1000, edges=1000, features=100)
STRUCTURE = replace(FEATURES, edges=1_000_000)


def plan_of(nodes: str, depth: int, layers_per_node: int | None, **options: int) -> Plan:
    return planned(list(nodes), a_spec(depth=depth, **options), "layer-split", layers_per_node)


def planned(nodes: list[str], spec: Spec, strategy: Strategy, most: int | None, engine: EngineName = "gloo") -> Plan:
    model = a_model(depth=spec.model.depth)
    graph = a_graph(train=400)
    return make_plan(facts_of(*nodes), spec, model, graph, strategy=strategy, engine=engine, layers_per_node=most)


def drawn(plan: Plan) -> str:
    stages = [f"{''.join(map(str, stage.layers))}:{''.join(stage.nodes)}" for stage in plan.stages]
    idle = [f"idle:{''.join(plan.idle)}"] if plan.idle else []
    return " ".join([f"s:{''.join(plan.sampler)}", *stages, *idle])


@pytest.mark.parametrize(
    ("nodes", "depth", "layers_per_node", "expected"),
    [
        # As many nodes as stages: the sampler shares the first.
        ("ab", 2, 1, "s:a 1:a 2:b"),
        ("abc", 3, 1, "s:a 1:a 2:b 3:c"),
        # One more: the sampler has a node of its own.
        ("abc", 2, 1, "s:a 1:b 2:c"),
        ("abcd", 3, 1, "s:a 1:b 2:c 3:d"),
        # Further ones replicate the first stage.
        ("abcd", 2, 1, "s:a 1:bc 2:d"),
        ("abcdef", 2, 1, "s:a 1:bcde 2:f"),
        ("abcdef", 3, 1, "s:a 1:bcd 2:e 3:f"),
        # Several layers on a node; the last stage may have fewer.
        ("abcd", 4, 2, "s:a 12:bc 34:d"),
        ("abcd", 5, 2, "s:a 12:b 34:c 5:d"),
        ("abc", 2, 2, "s:a 12:bc"),
        ("abc", 2, 9, "s:a 12:bc"),
        ("a", 2, 2, "s:a 12:a"),
        # Nothing said: as few layers on each as the nodes allow.
        ("a", 3, None, "s:a 123:a"),
        ("ab", 3, None, "s:a 12:a 3:b"),
        ("abc", 3, None, "s:a 1:a 2:b 3:c"),
        ("abcd", 3, None, "s:a 1:b 2:c 3:d"),
        ("abc", 5, None, "s:a 12:a 34:b 5:c"),
    ],
)
def test_layer_split_is_drawn_as(nodes: str, depth: int, layers_per_node: int | None, expected: str) -> None:
    assert drawn(plan_of(nodes, depth, layers_per_node)) == expected


@pytest.mark.parametrize(
    ("strategy", "nodes", "expected"),
    [
        ("single", "a", "s:a 12:a"),
        ("single", "abc", "s:a 12:a idle:bc"),
        ("data-parallel", "a", "s:a 12:a"),
        ("data-parallel", "abc", "s:abc 12:abc"),
    ],
)
def test_the_other_strategies_are_drawn_as(strategy: Strategy, nodes: str, expected: str) -> None:
    plan = planned(list(nodes), a_spec(), strategy, None, engine="rpc")
    assert drawn(plan) == expected
    assert (plan.strategy, plan.engine) == (strategy, "rpc")


@pytest.mark.parametrize(("nodes", "depth", "layers_per_node"), [("a", 2, 1), ("abc", 4, 1), ("ab", 5, 2)])
def test_fewer_nodes_than_stages_are_refused_with_a_fix_that_works(
    nodes: str, depth: int, layers_per_node: int
) -> None:
    with pytest.raises(InputError, match=rf"not {len(nodes)}: {', '.join(nodes)}") as caught:
        plan_of(nodes, depth, layers_per_node)
    advised = re.search(r"--layers-per-node (\d+)", caught.value.fix)
    assert advised is not None
    assert plan_of(nodes, depth, int(advised[1])).depth == depth


@pytest.mark.parametrize("strategy", ["single", "data-parallel"])
def test_layers_per_node_without_layer_split_is_refused(strategy: Strategy) -> None:
    with pytest.raises(InputError, match=f"--layers-per-node goes with layer-split, not with {strategy}"):
        planned(["a"], a_spec(), strategy, 1)


def test_less_than_one_layer_on_a_node_is_refused() -> None:
    with pytest.raises(InputError, match="at least 1, not -1"):
        plan_of("abc", 2, -1)


@pytest.mark.parametrize(
    ("nodes", "micro_batches", "notes"),
    [
        ("abcd", 4, ()),
        ("abc", 1, ("a step has 1 micro-batch: b, c will idle in stage 1; --micro-batches 3 gives all work",)),
        ("abcde", 2, ("a step has 2 micro-batches: c, d, e will idle in stage 1; --micro-batches 5 gives all work",)),
    ],
)
def test_replicas_that_get_no_micro_batch_are_noted(nodes: str, micro_batches: int, notes: tuple[str, ...]) -> None:
    assert planned(list(nodes), a_spec(micro_batches=micro_batches), "data-parallel", None).notes == notes


@pytest.mark.parametrize(
    ("nodes", "micro_batches", "expected"),
    [
        ("abcd", 1, "s:a 1:b 2:c idle:d"),
        ("abc", 1, "s:a 1:b 2:c"),
        ("ab", 1, "s:a 1:a 2:b"),
        ("abcdefg", 2, "s:a 1:bc 2:d idle:efg"),
    ],
)
def test_no_replica_is_made_for_which_there_is_no_micro_batch(nodes: str, micro_batches: int, expected: str) -> None:
    for most in (1, None):
        plan = plan_of(nodes, 2, most, micro_batches=micro_batches)
        assert (drawn(plan), plan.notes) == (expected, ())


def test_as_many_micro_batches_as_the_note_says_give_all_work() -> None:
    [note] = planned(list("abcdef"), a_spec(micro_batches=1), "data-parallel", None).notes
    advised = re.search(r"--micro-batches (\d+)", note)
    assert advised is not None
    assert planned(list("abcdef"), a_spec(micro_batches=int(advised[1])), "data-parallel", None).notes == ()


@dataclass(frozen=True)
class Case:
    """A question to the planner, other than those that it refuses."""

    nodes: list[str]
    depth: int
    strategy: Strategy
    layers_per_node: int | None

    def plan(self) -> Plan:
        return planned(self.nodes, a_spec(depth=self.depth), self.strategy, self.layers_per_node)


@st.composite
def cases(draw: st.DrawFn) -> Case:
    nodes, depth = list("abcdefghi"[: draw(st.integers(1, 9))]), draw(st.integers(1, 6))
    strategy: Strategy = draw(st.sampled_from(["single", "data-parallel", "layer-split"]))
    most = st.none() if strategy != "layer-split" else st.none() | st.integers(ceil(depth / len(nodes)), depth + 1)
    return Case(nodes, depth, strategy, draw(most))


@given(cases())
def test_every_node_either_takes_part_or_is_idle(case: Case) -> None:
    plan = case.plan()
    assert sorted([*plan.nodes, *plan.idle]) == case.nodes


@given(cases())
def test_stages_hold_all_layers_but_no_more_on_a_node_than_asked_for(case: Case) -> None:
    plan = case.plan()
    assert plan.depth == case.depth
    assert max(len(stage.layers) for stage in plan.stages) <= (case.layers_per_node or case.depth)


@given(cases())
def test_the_planner_is_pure(case: Case) -> None:
    assert case.plan() == case.plan()


@given(cases())
def test_what_the_planner_makes_is_accepted_again_from_json(case: Case) -> None:
    again = from_json(Plan, to_json(case.plan(), indent=True), source="a test")
    fit_plan(again, facts_of(*case.nodes), a_spec(depth=case.depth), a_model(depth=case.depth))
    assert again == case.plan()


def test_a_plan_that_names_strangers_is_refused_with_the_nodes_there_are() -> None:
    with pytest.raises(InputError, match="names b, d, not in the inventory") as caught:
        fit_plan(plan_of("abcd", 2, 1), facts_of("a", "c"), a_spec(), a_model())
    assert caught.value.fix == "the inventory has a, c"


def test_a_plan_of_another_depth_is_refused() -> None:
    with pytest.raises(InputError, match="places 3 layers, but sage has 2"):
        fit_plan(plan_of("abc", 3, 1), facts_of("a", "b", "c"), a_spec(depth=2), a_model())


def test_a_plan_may_leave_nodes_of_the_inventory_out() -> None:
    fit_plan(plan_of("ab", 2, 1), facts_of("z", "b", "a"), a_spec(), a_model())


def test_a_plan_over_nodes_whose_numerics_differ_says_so() -> None:
    kinds = {"a": "pi4", "b": "pi5", "c": "pi4", "d": None}
    nodes = [NodeFacts(name=name, numerics=kind) for name, kind in kinds.items()]
    [note] = fit_plan(plan_of("abcd", 2, 1), nodes, a_spec(), a_model()).notes
    assert note.startswith("numerics differ between a, c (pi4); b (pi5): ")
    assert fit_plan(plan_of("ac", 2, 1), nodes, a_spec(), a_model()).notes == ()


def layer(aggregated: int, output: int, *, wide: bool = False) -> LayerDescription:
    return LayerDescription(name="ALayer", parameters=1, wide=wide, aggregated={"h": aggregated}, output={"h": output})


@pytest.mark.parametrize(
    ("fanout", "aggregated", "expected"),
    [
        ((25, 10), 512, "aggregated"),  # 1,024 seeds against 20,000 sources: twice the width costs little
        (None, 256, "aggregated"),  # all nodes on both sides: the same, and then aggregated
        (None, 512, "rows"),  # all nodes on both sides: twice the width is twice the bytes
    ],
)
def test_the_smaller_form_of_rows_crosses_the_cut(
    fanout: tuple[int, ...] | None, aggregated: int, expected: str
) -> None:
    graph = replace(a_graph(train=150_000), nodes=233_000, edges=115_000_000)
    spec = replace(a_spec(), fanout=fanout, batch_size=None if fanout is None else 1024, micro_batches=1)
    model = replace(a_model(), layers=(layer(1204, 256), layer(aggregated, 41)))
    assert smaller_cut(2, spec, model, graph) == expected


def test_before_a_layer_with_parameters_in_its_aggregation_full_rows_cross() -> None:
    model = replace(a_model(), layers=(layer(3, 8), layer(8, 2, wide=True)))
    assert smaller_cut(2, a_spec(), model, a_graph(train=9)) == "rows"
    with pytest.raises(InputError, match="stage 2 cannot receive aggregated rows: ALayer has parameters"):
        fit_plan(a_plan(), facts_of(*"abcd"), a_spec(), model)


def test_a_wire_that_rounds_leaves_a_plan_no_choice_of_the_form_of_rows() -> None:
    spec = replace(a_spec(), wire="int8", boundaries=("rows",))
    with pytest.raises(InputError, match="stage 2 cannot receive aggregated rows: with int8 on the wire") as caught:
        fit_plan(a_plan(), facts_of(*"abcd"), spec, a_model())
    assert '"receives": "rows"' in caught.value.fix
    fitted = fit_plan(a_plan(), facts_of(*"abcd"), replace(spec, boundaries=("aggregated",)), a_model())
    assert fitted.stages == a_plan().stages
    made = [
        make_plan(
            facts_of("a", "b"),
            replace(spec, boundaries=(form,)),
            a_model(),
            a_graph(train=9),
            strategy="layer-split",
            engine="gloo",
            layers_per_node=1,
        )
        for form in ("rows", "aggregated")
    ]
    assert [plan.stages[1].receives for plan in made] == ["rows", "aggregated"]


def test_frontiers_grow_by_the_fanout_until_they_meet_all_nodes() -> None:
    graph = replace(a_graph(train=4096), nodes=1_000_000, edges=50_000_000)
    spec = replace(a_spec(), fanout=(25, 10), batch_size=1024, micro_batches=1)
    sources, middle, seeds = expected_frontiers(spec, graph)
    assert seeds == 1024
    assert middle == pytest.approx(1024 + 1024 * 25, rel=0.02)
    assert sources == pytest.approx(middle * 11, rel=0.15)
    assert expected_frontiers(replace(spec, fanout=None), graph)[0] == pytest.approx(graph.nodes, rel=0.1)


def roles(
    shelf: list[NodeFacts],
    *,
    strategy: Strategy = "layer-split",
    graph: object = FEATURES,
    in_order: bool = False,
) -> dict[str, str]:
    assert graph in (FEATURES, STRUCTURE)
    plan = make_plan(
        shelf,
        a_spec(),
        a_model(),
        graph,
        strategy=strategy,
        engine="gloo",
        layers_per_node=1 if strategy == "layer-split" else None,
        in_order=in_order,
    )
    return {name: plan.role_of(name) for name in (*plan.nodes, *plan.idle)}


def test_a_single_node_is_the_strongest() -> None:
    assert roles(SHELF, strategy="single")["pi4"] == "sampler + stage 1"


def test_the_first_stage_lands_on_the_strongest_and_the_last_on_the_weakest() -> None:
    assert roles(SHELF) == {"pi3": "sampler", "pi4": "stage 1", "pi2": "stage 1", "pi1": "stage 2"}


def test_an_order_of_the_person_s_own_is_kept() -> None:
    assert roles(SHELF, in_order=True) == {"pi1": "sampler", "pi2": "stage 1", "pi3": "stage 1", "pi4": "stage 2"}


def test_without_a_node_for_the_sampler_the_strongest_does_its_work_too() -> None:
    assert roles(SHELF[:2]) == {"pi2": "sampler + stage 1", "pi1": "stage 2"}


def test_a_structure_far_larger_than_the_features_goes_to_the_strongest() -> None:
    assert roles(SHELF, graph=STRUCTURE)["pi4"] == "sampler"


def test_more_cores_decide_between_equal_memories() -> None:
    assert roles([strong("pi1", GB, 1), strong("pi2", GB)], strategy="single")["pi2"] == "sampler + stage 1"


def test_alike_or_unknown_nodes_keep_the_order_of_the_inventory() -> None:
    alike = [strong(name, GB + place * 10**7) for place, name in enumerate(KNOWN)]
    unknown = [*SHELF[:2], *facts_of("pi3"), SHELF[3]]
    for nodes in (alike, unknown, facts_of(*KNOWN)):
        assert seated(nodes, FEATURES, strategy="single", depth=2, layers_per_node=None) == nodes


def test_the_strongest_other_node_changes_places_with_one_that_had_too_little() -> None:
    assert better_order("pi1", ["pi1"], KNOWN) == ("pi4", ["pi4"])
    assert better_order("pi1", ["pi4", "pi1", "pi2"], KNOWN) == ("pi4", ["pi1", "pi4", "pi2"])
    assert better_order("pi4", ["pi4", "pi1"], KNOWN) is None
    assert better_order("pi1", ["pi1"], {}) is None
