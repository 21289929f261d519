"""Who gets which seat of a plan, by memory and then by cores."""

from msgspec.structs import replace

from picluster.controller.nodes.strength import Strength, better_order, seated
from picluster.controller.planning.planner import make_plan
from picluster.schema.plan import Strategy
from tests.unit.controller.made import a_graph, a_model, a_spec

GB = 10**9
SHELF = {"pi1": Strength(GB, 4), "pi2": Strength(4 * GB, 4), "pi3": Strength(2 * GB, 4), "pi4": Strength(8 * GB, 4)}
FEATURES = replace(a_graph(train=100), nodes=1000, edges=1000, features=100)
STRUCTURE = replace(FEATURES, edges=1_000_000)


def roles(
    shelf: dict[str, Strength], *, strategy: Strategy = "layer-split", graph: object = FEATURES, layers: int | None = 1
) -> dict[str, str]:
    assert graph in (FEATURES, STRUCTURE)
    layers_per_node = layers if strategy == "layer-split" else None
    names = seated(
        list(shelf),
        shelf,
        graph,
        strategy=strategy,
        depth=2,
        layers_per_node=layers_per_node,
    )
    plan = make_plan(
        names, a_spec(), a_model(), FEATURES, strategy=strategy, engine="gloo", layers_per_node=layers_per_node
    )
    return {name: plan.role_of(name) for name in (*plan.nodes, *plan.idle)}


def test_a_single_node_is_the_strongest() -> None:
    assert roles(SHELF, strategy="single")["pi4"] == "sampler + stage 1"


def test_the_first_stage_lands_on_the_strongest_and_the_last_on_the_weakest() -> None:
    assert roles(SHELF) == {"pi3": "sampler", "pi4": "stage 1", "pi2": "stage 1", "pi1": "stage 2"}


def test_without_a_node_for_the_sampler_the_strongest_does_its_work_too() -> None:
    two = {name: SHELF[name] for name in ("pi1", "pi2")}
    assert roles(two) == {"pi2": "sampler + stage 1", "pi1": "stage 2"}


def test_a_structure_far_larger_than_the_features_goes_to_the_strongest() -> None:
    assert roles(SHELF, graph=STRUCTURE)["pi4"] == "sampler"


def test_more_cores_decide_between_equal_memories() -> None:
    shelf = {"pi1": Strength(GB, 1), "pi2": Strength(GB, 4)}
    assert roles(shelf, strategy="single")["pi2"] == "sampler + stage 1"


def test_alike_or_unknown_nodes_keep_the_order_of_the_inventory() -> None:
    alike = {name: Strength(GB + place * 10**7, 4) for place, name in enumerate(SHELF)}
    unknown = {name: SHELF[name] for name in ("pi1", "pi2", "pi4")}
    for strengths in (alike, unknown, {}):
        asked = seated(list(SHELF), strengths, FEATURES, strategy="single", depth=2, layers_per_node=None)
        assert asked == list(SHELF)


def test_the_strongest_other_node_changes_places_with_one_that_had_too_little() -> None:
    assert better_order("pi1", ["pi1"], SHELF) == ("pi4", ["pi4"])
    assert better_order("pi1", ["pi4", "pi1", "pi2"], SHELF) == ("pi4", ["pi1", "pi4", "pi2"])
    assert better_order("pi4", ["pi4", "pi1"], SHELF) is None
    assert better_order("pi1", ["pi1"], {}) is None
