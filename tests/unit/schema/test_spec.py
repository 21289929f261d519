"""What a spec refuses, and how it cuts an epoch into steps and micro-batches."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from picluster.errors import InputError
from picluster.schema.spec import Adam, ModelChoice, Spec
from tests.unit.schema.drawing import specs


def make_spec(**changes: Any) -> Spec:
    usual: dict[str, Any] = {
        "dataset": "cora",
        "model": ModelChoice(name="sage", depth=2, options={}),
        "fanout": (25, 10),
        "batch_size": 100,
        "micro_batches": 4,
        "epochs": 1,
        "seed": 0,
        "optimizer": make_adam(),
    }
    return Spec(**(usual | changes))


def make_adam(**changes: Any) -> Adam:
    usual: dict[str, Any] = {"learning_rate": 0.01, "weight_decay": (0.0, 0.0)}
    return Adam(**(usual | changes))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"fanout": (25,)}, "fanout 25 has 1 number, but sage has 2 layers"),
        ({"fanout": (25, 10, 5)}, "fanout 25,10,5 has 3 numbers, but sage has 2 layers"),
        ({"fanout": ()}, "has 0 numbers"),
        ({"fanout": (25, 0)}, "fanout must be at least 1, not 0"),
        ({"fanout": (-1, 5)}, "fanout must be at least 1, not -1"),
        ({"batch_size": 0}, "--batch-size must be at least 1, not 0"),
        ({"batch_size": -5}, "--batch-size must be at least 1, not -5"),
        ({"micro_batches": 0}, "micro-batches must be at least 1, not 0"),
        ({"epochs": 0}, "epochs must be at least 1, not 0"),
        ({"model": ModelChoice(name="sage", depth=0, options={})}, "at least one layer, not 0"),
        ({"wire": "int8"}, "with int8 on the wire 2 layers need 1 form of rows, not 0"),
        ({"boundaries": ("rows",)}, "with fp32 on the wire 2 layers need 0 forms of rows, not 1"),
        ({"optimizer": make_adam(weight_decay=(0.1,))}, "weight decay 0.1 does not fit the 2 layers of sage"),
    ],
)
def test_a_spec_that_cannot_be_trained_is_refused_with_the_values(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        make_spec(**changes)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"learning_rate": 0.0}, "learning rate must be above 0 and finite, not 0.0"),
        ({"learning_rate": -1.0}, "not -1.0"),
        ({"learning_rate": float("nan")}, "not nan"),
        ({"beta1": 1.0}, "betas"),
        ({"beta2": -0.1}, "betas"),
        ({"beta1": float("nan")}, "betas"),
        ({"epsilon": 0.0}, "epsilon"),
        ({"weight_decay": (0.0, -1e-4)}, "weight decay must not be negative"),
        ({"weight_decay": (0.0, float("inf"))}, "weight decay must not be negative or infinite"),
        ({"learning_rate": float("inf")}, "learning rate must be above 0 and finite, not inf"),
        ({"epsilon": float("nan")}, "epsilon must be above 0 and finite, not nan"),
        ({"weight_decay": (float("nan"), 0.0)}, "weight decay"),
    ],
)
def test_an_optimizer_that_cannot_work_is_refused_with_the_values(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        make_adam(**changes)


def test_rows_have_a_form_before_each_layer_but_the_first_where_the_wire_rounds_them() -> None:
    model = ModelChoice(name="sage", depth=3, options={})
    changes: dict[str, Any] = {"model": model, "fanout": None, "optimizer": make_adam(weight_decay=(0.0,) * 3)}
    spec = make_spec(**changes, wire="fp16", boundaries=("rows", "aggregated"))
    assert [spec.form(layer) for layer in range(1, 5)] == [None, "rows", "aggregated", None]
    assert [make_spec(**changes).form(layer) for layer in range(1, 5)] == [None] * 4


def test_evaluation_is_exact_only_where_all_neighbours_are_seen() -> None:
    assert make_spec(fanout=None).evaluation("validation") == make_spec(fanout=None).evaluation("test") == "exact"
    assert make_spec().evaluation("validation") == "sampled"


@given(specs(), st.integers(1, 50_000))
def test_micro_batches_share_out_all_seeds_evenly_and_none_is_empty(spec: Spec, seeds: int) -> None:
    sizes = spec.micro_batch_sizes(seeds)
    assert sum(sizes) == seeds
    assert len(sizes) == min(spec.micro_batches, seeds)
    assert min(sizes) > 0
    assert max(sizes) - min(sizes) <= 1


@pytest.mark.parametrize(("seeds", "sizes"), [(10, (3, 3, 2, 2)), (8, (2, 2, 2, 2)), (3, (1, 1, 1)), (1, (1,))])
def test_larger_micro_batches_come_first(seeds: int, sizes: tuple[int, ...]) -> None:
    assert make_spec(micro_batches=4).micro_batch_sizes(seeds) == sizes


@given(specs(), st.integers(1, 50_000))
def test_the_steps_of_an_epoch_see_every_seed_once(spec: Spec, nodes: int) -> None:
    seeds = [spec.seeds_of_step(nodes, step) for step in range(spec.steps(nodes))]
    assert sum(seeds) == nodes
    assert min(seeds) > 0
    assert len(set(seeds[:-1])) <= 1


@pytest.mark.parametrize(
    ("batch_size", "nodes", "seeds"),
    [(100, 250, [100, 100, 50]), (100, 200, [100, 100]), (100, 99, [99]), (None, 250, [250])],
)
def test_only_the_last_step_is_short(batch_size: int | None, nodes: int, seeds: list[int]) -> None:
    spec = make_spec(batch_size=batch_size)
    assert [spec.seeds_of_step(nodes, step) for step in range(spec.steps(nodes))] == seeds
