"""Which runs make a row, what its figures are, and what is said about it."""

from __future__ import annotations

from math import sqrt
from pathlib import Path

import msgspec
import pytest

from picluster.controller.comparison.comparison import compare_all, compare_named
from picluster.controller.comparison.row_words import common_words, numbers
from picluster.errors import InputError, PiclusterError
from picluster.schema.comparison import Comparison
from picluster.schema.run import Resumption
from picluster.schema.state import Position
from tests.unit.controller.compared import Shelf
from tests.unit.controller.made import a_step


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    return Shelf(tmp_path / "runs")


def names_of(found: Comparison) -> list[list[str | None]]:
    return [[run.run for run in row.runs] for row in found.rows]


def test_runs_that_differ_in_seed_split_and_names_of_nodes_make_one_row(shelf: Shelf) -> None:
    shelf.run("a", seed=0, dataset="cora-linqs")
    shelf.run("b", seed=1, dataset="cora-linqs-split1", nodes=("pi7",))
    found = compare_all(root=shelf.root)
    assert names_of(found) == [["a", "b"]]
    assert (found.rows[0].dataset, [run.split for run in found.rows[0].runs]) == ("cora-linqs", [0, 1])


def test_a_run_that_went_on_under_another_plan_learnt_the_same_whichever_nodes_told_its_losses(shelf: Shelf) -> None:
    shelf.run("a", losses=(3.0, 2.0, 1.0))
    run = shelf.run("b", losses=(3.0, 2.0))
    other = msgspec.structs.replace(run.plan().stages[0], nodes=("pi2",))
    plan = msgspec.structs.replace(run.plan(), stages=(other,), sampler=("pi2",), cores={})
    result, position = run.result(), Position(epoch=1, step=3)
    assert result
    run.keep_attempt(
        Resumption(attempt=2, started=9.0, after=None, position=position, plan=plan, controller=run.controller())
    )
    run.node_folder("pi2")
    run.record("pi2", a_step(3, loss=1.0), 2)
    run.end(result)
    first, second = (run.learnt for row in compare_all(root=shelf.root).rows for run in row.runs)
    assert first == second
    assert first


def test_cores_are_said_of_all_rows_only_where_all_have_them(shelf: Shelf) -> None:
    shelf.run("a", cores=1)
    assert common_words(compare_all(root=shelf.root).rows)["cores"] == "1 core"
    shelf.run("b", threads=None, engine="rpc")  # nobody got ready: what it would have used is not known
    assert "cores" not in common_words(compare_all(root=shelf.root).rows)


def test_splits_of_one_embedding_make_one_row_and_those_of_another_do_not(shelf: Shelf) -> None:
    shelf.run("a", dataset="cora-linqs-embedded-0a1b2c3d")
    shelf.run("b", seed=3, dataset="cora-linqs-split3-embedded-0a1b2c3d")
    shelf.run("c", dataset="cora-linqs-embedded-ffffffff")
    found = compare_all(root=shelf.root)
    assert names_of(found) == [["a", "b"], ["c"]]
    assert {row.dataset for row in found.rows} == {"cora-linqs"}
    assert [row.difference for row in found.rows] == ["embedding-of=0a1b2c3d", "embedding-of=ffffffff"]


def test_a_split_in_the_name_of_ones_own_graph_is_no_split(shelf: Shelf) -> None:
    shelf.run("a", dataset="mine")
    shelf.run("b", dataset="mine-split1")
    assert len(compare_all(root=shelf.root).rows) == 2


def test_rows_that_would_look_the_same_tell_what_differs(shelf: Shelf) -> None:
    shelf.run("a", hidden=8)
    shelf.run("b", hidden=64)
    shelf.run("c", hidden=8, engine="rpc")
    assert [row.difference for row in compare_all(root=shelf.root).rows] == ["hidden=8", "hidden=64", "hidden=8"]


@pytest.mark.parametrize(
    "other", [{"engine": "rpc"}, {"nodes": ("pi1", "pi2")}, {"cores": 2}, {"dataset": "pubmed"}, {"hidden": 9}]
)
def test_what_belongs_to_a_row_keeps_others_out(shelf: Shelf, other: dict[str, object]) -> None:
    shelf.run("a")
    shelf.run("b", **other)  # type: ignore[arg-type]
    assert names_of(compare_all(root=shelf.root)) == [["a"], ["b"]]


def test_rows_come_in_the_order_of_their_first_runs(shelf: Shelf) -> None:
    shelf.run("z", engine="rpc")
    shelf.run("a")
    shelf.run("b", engine="rpc", seed=1)
    assert names_of(compare_all(root=shelf.root)) == [["z", "b"], ["a"]]


def test_a_spread_is_that_of_a_sample_over_finished_runs_alone(shelf: Shelf) -> None:
    for seed, accuracy in enumerate((0.4, 0.5, 0.9)):
        shelf.run(f"run{seed}", seed=seed, test_accuracy=accuracy, seconds=seed + 1.0)
    shelf.run("bad", seed=3, status="failed", seconds=99.0)
    shelf.run("cut", seed=4, status="stopped", seconds=99.0)
    (row,) = compare_all(root=shelf.root).rows
    assert (row.finished, len(row.runs)) == (3, 5)
    assert row.test_accuracy
    assert row.test_accuracy.mean == pytest.approx(0.6)
    assert row.test_accuracy.standard_deviation == pytest.approx(sqrt(0.07))
    assert row.test_accuracy.standard_error == pytest.approx(sqrt(0.07 / 3))
    assert row.seconds
    assert row.seconds.mean == pytest.approx(2.0)


def test_one_run_has_no_spread(shelf: Shelf) -> None:
    shelf.run("a")
    spread = compare_all(root=shelf.root).rows[0].test_accuracy
    assert spread
    assert (spread.count, spread.standard_deviation, spread.standard_error) == (1, None, None)


def test_bytes_of_a_step_are_those_of_all_nodes_and_memory_is_each_nodes_peak(shelf: Shelf) -> None:
    shelf.run("a", nodes=("pi1", "pi2"))
    (row,) = compare_all(root=shelf.root).rows
    assert row.sent_bytes_per_step
    assert row.sent_payload_bytes_per_step
    assert (row.sent_bytes_per_step.mean, row.sent_payload_bytes_per_step.mean) == (600, 400)
    assert [peak.node for peak in row.memory] == ["pi1", "pi2"]
    assert min(peak.anonymous_bytes for peak in row.memory) > 1 << 20


def test_a_row_that_failed_says_why_and_has_no_figures(shelf: Shelf) -> None:
    shelf.run("a", status="failed")
    shelf.run("b", status="failed", seed=1)
    found = compare_all(root=shelf.root)
    assert found.rows[0].test_accuracy is None
    assert found.notes == ("Row 1 failed with seeds 0, 1: node pi1: it broke.",)


def test_a_run_whose_workers_never_got_ready_joins_those_that_are_alike(shelf: Shelf) -> None:
    shelf.run("dead", threads=None, status="failed")
    shelf.run("alive", seed=1, cores=2)
    assert names_of(compare_all(root=shelf.root)) == [["dead", "alive"]]


def test_rows_with_the_same_losses_and_tests_are_said_to_have_learnt_the_same(shelf: Shelf) -> None:
    for number, nodes in enumerate([("pi1",), ("pi1", "pi2"), ("pi1", "pi2", "pi3")]):
        for seed in (0, 1):
            shelf.run(f"run{number}{seed}", nodes=nodes, seed=seed, losses=(1.0, 0.1 * seed))
    found = compare_all(root=shelf.root)
    assert found.same_bits == ((1, 2, 3),)
    assert "Rows 1–3 learnt the same, bit for bit: every loss, and the test accuracy." in found.notes


@pytest.mark.parametrize("other", [{"losses": (2.5, 1.2500000000000002)}, {"test_accuracy": 0.5000000000000001}])
def test_a_last_bit_is_enough_to_differ(shelf: Shelf, other: dict[str, object]) -> None:
    shelf.run("a")
    shelf.run("b", nodes=("pi1", "pi2"), **other)  # type: ignore[arg-type]
    found = compare_all(root=shelf.root)
    assert found.same_bits == ()
    assert found.notes[0].startswith("Row 2 differs from row 1 in the bits of its losses: nothing that is recorded")


def test_rows_whose_bits_differ_for_a_reason_tell_it(shelf: Shelf) -> None:
    shelf.run("a", threads=1)
    shelf.run("b", threads=2, losses=(2.5, 1.0))
    notes = compare_all(root=shelf.root).notes
    assert notes == ("Row 2 differs from row 1 in the bits of its losses: threads 2 instead of 1.",)


def test_rows_that_share_no_seed_or_learn_other_things_are_not_held_against_each_other(shelf: Shelf) -> None:
    shelf.run("a", seed=0)
    shelf.run("b", seed=1, nodes=("pi1", "pi2"), losses=(9.0,))
    shelf.run("c", seed=0, hidden=16, losses=(8.0,))
    found = compare_all(root=shelf.root)
    assert (found.same_bits, found.notes) == ((), ())


def test_runs_of_pre_training_are_no_rows_but_stand_beside_them(shelf: Shelf) -> None:
    shelf.run("before", hidden=1, seconds=45.0)
    shelf.run("a", pretraining="before")
    shelf.run("b", pretraining="before", nodes=("pi1", "pi2"))
    found = compare_all(root=shelf.root)
    assert names_of(found) == [["a"], ["b"]]
    assert [row.pretraining and row.pretraining.seconds for row in found.rows] == [45.0, 45.0]
    assert "Rows 1 and 2 share the pre-training of before." in found.notes


def test_of_two_pre_trainings_the_one_on_the_same_plan_counts(shelf: Shelf) -> None:
    shelf.run("alone", hidden=1, seconds=45.0)
    shelf.run("twins", hidden=1, seconds=25.0, nodes=("pi1", "pi2"))
    shelf.run("a", pretraining="alone")
    shelf.run("b", pretraining="twins", seed=1)
    shelf.run("c", pretraining="twins", nodes=("pi1", "pi2"))
    found = compare_all(root=shelf.root)
    assert [row.pretraining and row.pretraining.run for row in found.rows] == ["alone", "twins"]
    assert not [note for note in found.notes if "share the pre-training" in note]


def test_pre_training_that_is_not_here_has_no_time(shelf: Shelf) -> None:
    shelf.run("a", pretraining="gone")
    (row,) = compare_all(root=shelf.root).rows
    assert row.pretraining
    assert (row.pretraining.run, row.pretraining.seconds) == ("gone", None)


def test_runs_of_pre_training_that_are_named_are_compared(shelf: Shelf) -> None:
    shelf.run("before", hidden=1)
    shelf.run("a", pretraining="before")
    assert names_of(compare_named(["before", "a"], shelf.root)) == [["before"], ["a"]]


def test_a_run_that_is_named_twice_counts_once(shelf: Shelf) -> None:
    shelf.run("x-abcd")
    assert names_of(compare_named(["x-abcd", "abcd", str(shelf.root / "x-abcd")], shelf.root)) == [["x-abcd"]]


def test_only_runs_with_the_tag_are_compared(shelf: Shelf) -> None:
    shelf.run("a", tag="x")
    shelf.run("b", tag="y")
    found = compare_all("x", shelf.root)
    assert (found.tag, names_of(found)) == ("x", [["a"]])
    with pytest.raises(InputError, match="no run has the tag z"):
        compare_all("z", shelf.root)


def test_what_cannot_be_read_is_left_out_and_said_unless_it_was_named(shelf: Shelf) -> None:
    shelf.run("a")
    shelf.run("broken").plan_file.write_text("{")
    found = compare_all(root=shelf.root)
    assert names_of(found) == [["a"]]
    assert found.notes == ("Left out, because they cannot be read: broken.",)
    with pytest.raises(PiclusterError, match="plan"):
        compare_named(["a", "broken"], shelf.root)


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        ([2], "row 2"),
        ([1, 3], "rows 1 and 3"),
        ([1, 2], "rows 1 and 2"),
        ([1, 2, 3, 4, 6], "rows 1–4 and 6"),
        ([1, 2, 4, 6, 7, 8], "rows 1, 2, 4 and 6–8"),
    ],
)
def test_numbers_of_rows_are_said_as_people_do(rows: list[int], told: str) -> None:
    assert numbers(rows) == told


def test_bytes_below_the_payload_are_explained(shelf: Shelf) -> None:
    shelf.run("a", nodes=("pi1", "pi2"))
    shelf.run("b", nodes=("pi1", "pi2"), engine="ray", sent_bytes=100)
    shelf.run("c", nodes=("pi1", "pi2"), engine="rpc", sent_bytes=100)
    notes = [note for note in compare_all(root=shelf.root).notes if "payload" in note]
    assert [note.split(",")[0] for note in notes] == [
        "* Row 2 sent less than the payload",
        "* Row 3 counted less than the payload: some of its connections were not seen",
    ]
    assert "shared memory" in notes[0]
