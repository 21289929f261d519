"""Defaults by the graph's size, and what people type wrongly."""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from picluster.controller.planning.recipe import FULL_BATCH_TRAINING_NODES, make_spec, model_options, notes_on
from picluster.controller.planning.request import LaunchRequest
from picluster.errors import InputError
from picluster.schema.spec import Precision, Spec
from tests.unit.controller.made import a_graph, a_model

SMALL, LARGE = FULL_BATCH_TRAINING_NODES, FULL_BATCH_TRAINING_NODES + 1


def spec_of(*, train: int = LARGE, depth: int = 2, **wish: Any) -> Spec:
    return make_spec(LaunchRequest(**wish), a_graph(train=train), a_model(depth=depth), Path("models/sage.py"))


def test_a_small_graph_is_trained_as_kipf_and_welling_do() -> None:
    spec = spec_of(train=SMALL)
    assert (spec.fanout, spec.batch_size, spec.micro_batches, spec.epochs) == (None, None, 1, 200)
    assert (spec.optimizer.learning_rate, spec.optimizer.weight_decay) == (0.01, (5e-4, 0.0))


def test_a_large_graph_is_trained_on_sampled_mini_batches() -> None:
    spec = spec_of(train=LARGE)
    assert (spec.fanout, spec.batch_size, spec.micro_batches, spec.epochs) == ((25, 10), 100, 4, 10)
    assert (spec.optimizer.learning_rate, spec.optimizer.weight_decay) == (0.003, (0.0, 0.0))


@pytest.mark.parametrize("wire", ["fp16", "int8"])
def test_a_wire_that_rounds_has_one_form_of_rows_before_each_layer_but_the_first(wire: Precision) -> None:
    large = msgspec.structs.replace(a_graph(train=LARGE), nodes=10**6, edges=10**8)
    request = LaunchRequest(wire=wire, fanout="9,9,9")
    spec = make_spec(request, large, a_model(depth=3), Path("models/sage.py"))
    assert (spec.wire, spec.boundaries) == (wire, ("aggregated", "aggregated"))
    assert spec_of(depth=3, fanout="all", wire=wire).boundaries == ("rows", "rows")
    assert spec_of(wire="fp32") == spec_of()
    with pytest.raises(InputError, match="--wire: sage has one layer"):
        spec_of(depth=1, wire=wire)


@pytest.mark.parametrize(("train", "batch_size"), [(1001, 100), (5000, 500), (10_240, 1024), (153_431, 1024)])
def test_an_epoch_has_at_least_ten_steps_of_at_most_1024_seeds(train: int, batch_size: int) -> None:
    assert spec_of(train=train).batch_size == batch_size


def test_any_training_node_gives_a_batch_of_at_least_one() -> None:
    assert spec_of(train=1, fanout="5,5").batch_size == 1


@pytest.mark.parametrize(("depth", "fanout"), [(1, (25,)), (2, (25, 10)), (3, (15, 10, 5)), (5, (15, 10, 5, 5, 5))])
def test_the_default_fanout_has_a_number_for_each_layer(depth: int, fanout: tuple[int, ...]) -> None:
    assert spec_of(depth=depth).fanout == fanout


@pytest.mark.parametrize(
    ("train", "wish", "fanout", "batch_size"),
    [
        (SMALL, {"fanout": "5,5"}, (5, 5), 100),
        (SMALL, {"batch_size": 32}, (25, 10), 32),
        (SMALL, {"fanout": "all", "batch_size": 32}, None, 32),
        (LARGE, {"fanout": "all"}, None, None),
        (LARGE, {"fanout": " 3 , 2 "}, (3, 2), 100),
    ],
)
def test_what_is_asked_for_beats_the_default(
    train: int, wish: dict[str, Any], fanout: tuple[int, ...] | None, batch_size: int | None
) -> None:
    spec = spec_of(train=train, **wish)
    assert (spec.fanout, spec.batch_size) == (fanout, batch_size)


def test_everything_that_is_typed_arrives_in_the_spec() -> None:
    typed: dict[str, Any] = {"beta1": 0.8, "beta2": 0.99, "epsilon": 1e-6, "amsgrad": True, "learning_rate": 0.5}
    spec = spec_of(epochs=3, seed=7, micro_batches=6, **typed)
    assert (spec.epochs, spec.seed, spec.micro_batches) == (3, 7, 6)
    assert {name: getattr(spec.optimizer, name) for name in typed} == typed


def test_the_spec_names_the_graph_and_the_model_with_its_options_but_tells_the_depth_once() -> None:
    spec = spec_of()
    assert (spec.dataset, spec.model.name, spec.model.depth) == ("a-graph", "sage", 2)
    assert spec.model.options == {"hidden": 8}


@pytest.mark.parametrize(
    ("text", "decay"), [("5e-4", (5e-4, 5e-4, 5e-4)), ("1e-3,0,0", (1e-3, 0.0, 0.0)), ("0", (0.0, 0.0, 0.0))]
)
def test_one_weight_decay_counts_for_all_layers(text: str, decay: tuple[float, ...]) -> None:
    assert spec_of(depth=3, weight_decay=text).optimizer.weight_decay == decay


@pytest.mark.parametrize("text", ["", "25,", "25;10", "25.5,10", "all,5", "ten", "25,,10"])
def test_a_fanout_that_is_no_list_of_numbers_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(InputError, match=rf"^--fanout {text}: '.*' is not a whole number") as caught:
        spec_of(fanout=text)
    assert caught.value.fix == "such as --fanout 25,10 or --fanout all"


@pytest.mark.parametrize("text", ["", "a bit", "5e-4;0"])
def test_a_weight_decay_that_is_no_number_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(InputError, match=r"^--weight-decay .* is not a number") as caught:
        spec_of(weight_decay=text)
    assert "--weight-decay 5e-4,0" in caught.value.fix


@pytest.mark.parametrize(
    "wish", [{"fanout": "25"}, {"fanout": "0,5"}, {"batch_size": 0}, {"epochs": 0}, {"weight_decay": "0,0,0"}]
)
def test_values_that_do_not_fit_the_model_or_themselves_are_refused(wish: dict[str, Any]) -> None:
    with pytest.raises(InputError):
        spec_of(**wish)


def test_a_graph_without_training_nodes_is_refused_by_name() -> None:
    with pytest.raises(InputError, match="a-graph has no training nodes"):
        spec_of(train=0)


def test_a_graph_without_validation_or_test_nodes_is_spoken_of() -> None:
    spec, graph = spec_of(), a_graph(train=LARGE)
    assert notes_on(LaunchRequest(), spec, graph) == []
    empty = msgspec.structs.replace(graph, splits={"train": 9, "validation": 0, "test": 0})
    assert [note.partition(":")[0] for note in notes_on(LaunchRequest(), spec, empty)] == [
        f"{graph.name} has no validation nodes",
        f"{graph.name} has no test nodes",
    ]


@pytest.mark.parametrize(
    ("depth", "fanout", "options"),
    [
        (None, None, {}),
        (None, "all", {}),
        (None, "25,10", {"depth": 2}),
        (None, "5", {"depth": 1}),
        (3, "25,10", {"depth": 3}),
        (3, None, {"depth": 3}),
    ],
)
def test_a_fanout_tells_the_depth_where_nobody_else_does(
    depth: int | None, fanout: str | None, options: dict[str, int]
) -> None:
    assert model_options(None, depth, None, fanout) == options


def test_the_model_gets_only_the_options_that_were_asked_for() -> None:
    assert model_options(64, None, 0.0, None) == {"hidden": 64, "dropout": 0.0}


@pytest.mark.parametrize(
    ("hidden", "depth", "dropout", "message"),
    [
        (0, None, None, "--hidden must be at least 1, not 0"),
        (None, 0, None, "--depth must be at least 1, not 0"),
        (None, None, 1.0, "--dropout must lie in"),
        (None, None, -0.1, "--dropout must lie in"),
        (None, None, float("nan"), "--dropout must lie in"),
    ],
)
def test_options_out_of_range_are_refused(
    hidden: int | None, depth: int | None, dropout: float | None, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        model_options(hidden, depth, dropout, None)
