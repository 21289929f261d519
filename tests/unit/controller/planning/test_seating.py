"""Who gets which seat of a plan, by memory and then by cores."""

from msgspec.structs import replace

from picluster.controller.planning.planner import make_plan
from picluster.controller.planning.seating import better_order, seated
from picluster.schema.facts import NodeFacts
from picluster.schema.plan import Strategy
from tests.unit.controller.made import a_graph, a_model, a_spec, facts_of, strong

GB = 10**9
SHELF = [strong("pi1", GB), strong("pi2", 4 * GB), strong("pi3", 2 * GB), strong("pi4", 8 * GB)]
KNOWN = {node.name: node for node in SHELF}
FEATURES = replace(a_graph(train=100), nodes=1000, edges=1000, features=100)
STRUCTURE = replace(FEATURES, edges=1_000_000)


def roles(
    shelf: list[NodeFacts],
    *,
    strategy: Strategy = "layer-split",
    graph: object = FEATURES,
    layers: int | None = 1,
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
        layers_per_node=layers if strategy == "layer-split" else None,
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
