"""What rows do not have in common is named, and rows that were tested on other data are not compared."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from picluster.controller.comparison.comparison import compare_all
from picluster.controller.comparison.notes import unlike_words
from picluster.schema.comparison import Comparison
from picluster.schema.events import Resources
from tests.unit.controller.compared import Shelf


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    return Shelf(tmp_path / "runs")


def differences(found: Comparison) -> list[str]:
    return [unlike_words(each) for each in found.unlike]


def warning(found: Comparison) -> str:
    return "\n".join(found.incomparable)


@pytest.mark.parametrize(
    ("recipe", "told"),
    [
        ({"epochs": 3}, "epochs: 2 (row 1), 3 (row 2)"),
        ({"learning_rate": 0.5}, "learning-rate: 0.003 (row 1), 0.5 (row 2)"),
        ({"batch_size": 7}, "batch-size: 46 (row 1), 7 (row 2)"),
        ({"patience": 9}, "patience: never (row 1), 9 (row 2)"),
        ({"fanout": (3, 3)}, "fanout: 5,5 (row 1), 3,3 (row 2)"),
        ({"monitor": "loss"}, "monitor: accuracy (row 1), loss (row 2)"),
        ({"validation": "exact"}, "validation: sampled (row 1), exact (row 2)"),
        ({"test": "exact"}, "test: sampled (row 1), exact (row 2)"),
        ({"l1": 0.25}, "l1: 0.0 (row 1), 0.25 (row 2)"),
        ({"micro_batches": 2}, "micro-batches: 4 (row 1), 2 (row 2)"),
    ],
)
@pytest.mark.parametrize("other", [{}, {"engine": "rpc"}, {"nodes": ("pi1", "pi2")}, {"model": "gcn"}], ids=str)
def test_another_recipe_is_named_whatever_else_tells_the_rows_apart(
    shelf: Shelf, recipe: dict[str, Any], told: str, other: dict[str, Any]
) -> None:
    shelf.run("a")
    shelf.run("b", recipe=recipe, **other)
    found = compare_all(root=shelf.root)
    assert told in differences(found)
    assert warning(found) == ""
    (setting,) = recipe
    named = [f"{setting.replace('_', '-')}=" in row.difference for row in found.rows]
    assert named == [not other.get("model")] * 2


def test_validation_on_all_neighbours_is_one_thing_however_it_was_asked_for(shelf: Shelf) -> None:
    shelf.run("a", recipe={"fanout": None, "test": "exact", "validation": "sampled"})
    shelf.run("b", recipe={"fanout": None, "test": "exact", "validation": "exact"}, seed=1)
    assert len(compare_all(root=shelf.root).rows) == 1


def test_what_rows_have_in_common_and_what_has_a_column_is_not_named(shelf: Shelf) -> None:
    shelf.run("a", recipe={"epochs": 3})
    shelf.run("b", recipe={"epochs": 3}, engine="rpc", cores=2)
    found = compare_all(root=shelf.root)
    assert differences(found) == []
    assert [row.difference for row in found.rows] == ["", ""]


def test_options_of_two_models_are_not_held_against_each_other(shelf: Shelf) -> None:
    shelf.run("a", hidden=8)
    shelf.run("b", hidden=64, model="gcn")
    assert differences(compare_all(root=shelf.root)) == []
    shelf.run("c", hidden=16, model="gcn")
    assert differences(compare_all(root=shelf.root)) == ["hidden: 8 (row 1), 64 (row 2), 16 (row 3)"]


def test_seeds_that_differ_in_number_or_name_are_named(shelf: Shelf) -> None:
    for seed in range(4):
        shelf.run(f"a{seed}", seed=seed)
    shelf.run("b", seed=1, engine="rpc")
    shelf.run("c", seed=2, engine="rpc", status="failed")
    found = compare_all(root=shelf.root)
    assert differences(found) == ["seeds: 0–3 (row 1), 1 (row 2)"]
    assert warning(found) == "not comparable: other seeds: 0–3 (row 1), 1 (row 2)"


def test_splits_of_cora_that_differ_are_named(shelf: Shelf) -> None:
    shelf.run("a", dataset="cora-linqs")
    shelf.run("b", dataset="cora-linqs-split3", engine="rpc", other_arrays=("train", "validation", "test"))
    found = compare_all(root=shelf.root)
    assert differences(found) == ["splits: 0 (row 1), 3 (row 2)"]
    assert warning(found) == "not comparable: other splits: 0 (row 1), 3 (row 2)"


def test_a_run_that_stopped_early_beside_one_that_did_not_is_named(shelf: Shelf) -> None:
    shelf.run("a", recipe={"epochs": 2})
    shelf.run("b", recipe={"epochs": 2}, engine="rpc", epochs_done=2)
    assert differences(compare_all(root=shelf.root)) == ["epochs done: 1 (row 1), 2 (row 2)"]


def test_versions_and_processors_that_differ_are_named(shelf: Shelf) -> None:
    shelf.run("a")
    shelf.run("b", engine="rpc", version="0.2.0", processor="A76")
    assert differences(compare_all(root=shelf.root)) == [
        "processor: A53 (row 1), A76 (row 2)",
        "picluster: 0.1.0 (row 1), 0.2.0 (row 2)",
    ]


def test_numerics_that_differ_are_named_and_explain_other_bits(shelf: Shelf) -> None:
    shelf.run("a", numerics="53a0")
    shelf.run("b", engine="rpc", numerics="72a0", losses=(9.0,))
    found = compare_all(root=shelf.root)
    assert differences(found) == ["numerics: 53a0 (row 1), 72a0 (row 2)"]
    assert any(note.endswith("in the bits of its losses: numerics 72a0 instead of 53a0.") for note in found.notes)


def test_runs_on_other_labels_or_other_test_nodes_are_not_comparable(shelf: Shelf) -> None:
    shelf.run("a", dataset="mine")
    shelf.run("b", dataset="mine", engine="rpc")
    shelf.run("c", dataset="pets", other_arrays=("labels",))
    shelf.run("d", dataset="mine", other_arrays=("test",))
    found = compare_all(root=shelf.root)
    assert found.tested_alike == ((1, 2), (3,), (4,))
    assert warning(found) == (
        "not comparable: rows 1 and 2 (mine), row 3 (pets) and row 4 (mine) were tested on other nodes or labels"
    )


def test_the_same_nodes_with_other_features_or_in_another_precision_are_comparable(shelf: Shelf) -> None:
    shelf.run("a", dataset="cora")
    shelf.run("b", dataset="cora-fp32", other_arrays=("features",))
    assert warning(compare_all(root=shelf.root)) == ""


def test_what_a_failed_launch_does_not_know_is_no_difference(shelf: Shelf) -> None:
    shelf.run("a", recipe={"epochs": 3})
    shelf.run("b", recipe={"epochs": 3}, engine="rpc", threads=None, status="failed")
    assert differences(compare_all(root=shelf.root)) == []


@pytest.mark.parametrize(
    ("reading", "why"),
    [
        ({"throttled": 4}, "held back by the firmware, for heat or for want of voltage"),
        ({"swapped_bytes": 4096}, "in swap in part, for want of memory"),
    ],
)
def test_times_of_a_row_are_not_comparable_where_a_node_was_not_free_to_run(
    shelf: Shelf, reading: dict[str, int], why: str
) -> None:
    shelf.run("a")
    shelf.run("b", engine="rpc", nodes=("pi1", "pi2"))
    run = shelf.run("c", engine="rpc", nodes=("pi1", "pi2"), seed=1)
    before = next(each.event for each in run.metrics("pi2") if isinstance(each.event, Resources))
    run.record("pi2", msgspec.structs.replace(before, **reading))
    found = compare_all(root=shelf.root)
    assert found.incomparable[1:] == (f"! times of row 2 are not comparable: pi2 was {why} in 1 of 2 runs",)
    assert [run.throttled + run.swapped for row in found.rows for run in row.runs] == [(), (), ("pi2",)]
