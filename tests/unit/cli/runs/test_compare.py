"""`picluster compare`, on run folders that are there, and what it refuses before it runs any."""

from __future__ import annotations

import json
import re
from pathlib import Path

import msgspec
import pytest

from picluster.schema.comparison import Comparison
from picluster.schema.events import Resources
from tests.unit.cli.conftest import Picluster
from tests.unit.controller.compared import Shelf

KEYS = {
    *("schema_version", "tag", "rows", "same_bits", "unlike", "tested_alike", "incomparable", "differences", "notes"),
}
ROW_KEYS = {
    *("number", "model", "dataset", "strategy", "engine", "nodes", "cores", "difference", "finished", "runs"),
    *("test_accuracy", "validation_accuracy", "train_accuracy", "loss", "seconds", "step_ms"),
    *("sent_bytes_per_step", "sent_payload_bytes_per_step", "joules_to_best", "memory", "pretraining"),
}


@pytest.fixture
def shelf(here: Path) -> Shelf:
    return Shelf(here / "runs")


def lines(text: str) -> list[str]:
    return [line.rstrip() for line in text.splitlines()]


def test_without_runs_the_person_is_told_what_makes_one(picluster: Picluster, here: Path) -> None:
    answer = picluster("compare")
    assert (answer.code, answer.out) == (2, "")
    assert answer.err == f"error: there are no runs in {here}/runs\n  fix: make one: picluster launch\n"


def test_rows_are_shown_calmly_with_the_words_that_tell_them_apart(picluster: Picluster, shelf: Shelf) -> None:
    for seed, accuracy in enumerate((0.5, 0.6)):
        shelf.run(f"a{seed}", seed=seed, tag="x", test_accuracy=accuracy)
        shelf.run(f"b{seed}", seed=seed, tag="x", test_accuracy=accuracy, nodes=("pi1", "pi2"), seconds=75.0)
    shelf.run("c", tag="x", engine="rpc", status="failed")
    shelf.run("d", tag="y")
    answer = picluster("compare", "--tag", "x")
    assert (answer.code, answer.err) == (0, "")
    assert lines(answer.out) == [
        "compared   5 runs in 3 rows, tag x",
        "in all     sage, cora, 1 core",
        "",
        "learnt",
        "                                                                           vali-",
        "   strategy       engine  nodes  runs               test   train    loss  dation",
        "1  single         gloo    1      2       0.5500 ± 0.0707  0.7500  1.2500  0.6250",
        "2  data-parallel  gloo    2      2       0.5500 ± 0.0707  0.7500  1.2500  0.6250",
        "3  single         rpc     1      0 of 1           failed       –       –       –",
        "",
        "cost of a run, bytes of a step",
        "                                 step  sent  payload",
        "   strategy       engine   time    ms   KiB      KiB",
        "1  single         gloo    4.0 s  10.0   0.3      0.2",
        "2  data-parallel  gloo     1:15  10.0   0.6      0.4",
        "3  single         rpc         –     –     –        –",
        "",
        "memory, MiB (peak anonymous)",
        "   strategy       engine  pi1  pi2",
        "1  single         gloo    147",
        "2  data-parallel  gloo    147  147",
        "3  single         rpc",
        "",
        "Mean ± standard deviation of the 2 runs of a row, each with a seed of its own.",
        "Rows 1 and 2 learnt the same, bit for bit: every loss, and the test accuracy.",
        "Row 3 failed with seed 0: node pi1: it broke.",
    ]


def test_words_that_do_not_fit_beside_the_figures_stand_above_them_once(picluster: Picluster, shelf: Shelf) -> None:
    shelf.run("a", dataset="a-data-set-with-a-name-that-takes-half-a-line")
    shelf.run("b", dataset="another", nodes=("pi1", "pi2"), engine="rpc")
    shown = lines(picluster("compare").out)
    assert shown[3:7] == [
        "rows",
        "1  a-data-set-with-a-name-that-takes-half-a-line · single · gloo",
        "2  another · data-parallel · rpc",
        "",
    ]
    assert [line for line in shown if "another" in line] == shown[5:6]


def test_on_a_narrow_terminal_a_row_s_names_and_figures_stand_together(
    picluster: Picluster, shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    shelf.run("a", tag="x", test_accuracy=0.5)
    shelf.run("b", tag="x", test_accuracy=0.5, nodes=("pi1", "pi2"))
    told = lines(picluster("compare", "--tag", "x").out)
    learnt = told[told.index("learnt") + 1 : told.index("cost of a run, bytes of a step") - 1]
    assert max(map(len, learnt)) <= 40
    first, second = " ".join(learnt).split("data-parallel")
    assert "single" in first
    assert "test 0.5000" in first
    assert "test 0.5000" in second


def test_pre_training_has_a_column_where_there_was_any(picluster: Picluster, shelf: Shelf) -> None:
    shelf.run("before", hidden=1, seconds=45.0)
    shelf.run("a", pretraining="before")
    shelf.run("b", engine="rpc")
    shown = lines(picluster("compare").out)
    assert shown[shown.index("cost of a run, bytes of a step") + 1 :][:4] == [
        "                      pre-  step  sent  payload",
        "   engine   time  training    ms   KiB      KiB",
        "1  gloo    4.0 s    45.0 s  10.0   0.3      0.2",
        "2  rpc     4.0 s            10.0   0.3      0.2",
    ]


def test_another_program_finds_these_keys(picluster: Picluster, shelf: Shelf) -> None:
    shelf.run("a")
    told = json.loads(picluster("compare", "--json").out)
    assert set(told) == KEYS
    assert set(told["rows"][0]) == ROW_KEYS
    assert set(told["rows"][0]["test_accuracy"]) == {"count", "mean", "standard_deviation", "standard_error"}


@pytest.mark.parametrize("columns", ["60", "80", "200"])
def test_however_many_nodes_there_are_no_line_is_wider_than_the_terminal(
    picluster: Picluster, shelf: Shelf, monkeypatch: pytest.MonkeyPatch, columns: str
) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    shelf.run("a", nodes=tuple(f"node{number}" for number in range(12)))
    shelf.run("b", engine="rpc", seed=1)
    out = picluster("compare").out
    assert max(map(len, out.splitlines())) <= int(columns)
    every = columns == "200"
    assert (" node5 " in out, "largest" in out) == (every, not every)


def test_names_that_would_steer_the_terminal_or_its_markup_are_shown_as_they_are(
    picluster: Picluster, shelf: Shelf
) -> None:
    shelf.run("a", nodes=("[bold]\x1b[31m",), dataset="[red]data\x07")
    shelf.run("b", status="failed", engine="rpc")
    out = picluster("compare").out
    assert "\x1b" not in out
    assert "\x07" not in out
    assert "[red]data?" in out
    assert "[bold]" in out


def test_runs_are_compared_by_name_and_a_stranger_is_refused(picluster: Picluster, shelf: Shelf) -> None:
    for name in ("x-aaaa", "x-bbbb", "x-cccc"):
        shelf.run(name, engine="rpc" if name < "x-b" else "gloo")
    found = msgspec.json.decode(picluster("compare", "--json", "aaaa", "x-cccc").out, type=Comparison)
    assert [run.run for row in found.rows for run in row.runs] == ["x-aaaa", "x-cccc"]
    answer = picluster("compare", "aaaa", "none")
    assert (answer.code, answer.out) == (2, "")
    assert "there is no run none" in answer.err


def test_a_chart_is_drawn_beside_the_tables(picluster: Picluster, shelf: Shelf, here: Path) -> None:
    shelf.run("a")
    answer = picluster("compare", "--chart", "a.png")
    assert (answer.code, answer.err) == (0, "chart      a.png\n")
    assert (here / "a.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--chart", "a.gif"), "a.gif is no kind of picture"),
        (("--seeds", "3"), "--seeds goes with --rows"),
        (("--with", "--epochs 3"), "--with goes with --rows"),
        (("--inventory", "a.yml"), "--inventory goes with --rows"),
        (("a", "--tag", "x"), "RUN… and --tag do not go together"),
        (("a", "--rows", "rows.txt"), "RUN… and --rows do not go together"),
        (("--rows", "none.txt"), "cannot read the rows"),
        (("--rows", "rows.txt", "--tag", "two words"), "is not one word"),
        (("--rows", "rows.txt", "--with", "--seed 3"), "rows.txt:2: --seed cannot stand in a row"),
        (("--rows", "rows.txt", "--with", "--split-seed=3"), "rows.txt:2: --split-seed cannot stand in a row"),
        (("--rows", "rows.txt", "--with", "--tag x"), "rows.txt:2: --tag cannot stand in a row"),
        (("--rows", "rows.txt", "--with", "-i hosts.yml"), "rows.txt:2: --inventory cannot stand in a row"),
        (("--rows", "rows.txt", "--with", "--rerun abcd"), "rows.txt:2: --rerun cannot stand in a row"),
        (("--rows", "rows.txt", "--with", "--dry-run"), "rows.txt:2: --dry-run cannot stand in a row"),
        (("--rows", "rows.txt", "--with", "--modl gcn"), "rows.txt:2: No such option: --modl"),
        (("--rows", "rows.txt", "--with", "--epochs many"), "rows.txt:2: Invalid value for '--epochs'"),
    ],
)
def test_what_does_not_fit_is_refused_before_anything_runs(
    picluster: Picluster, here: Path, shelf: Shelf, words: tuple[str, ...], told: str
) -> None:
    shelf.run("a")
    (here / "rows.txt").write_text("# a row\n--model gcn\n")
    answer = picluster("compare", *words)
    assert (answer.code, answer.out) == (2, "")
    assert told in answer.err
    assert "  fix: " in answer.err
    assert sorted(path.name for path in (here / "runs").iterdir()) == ["a"]


def test_what_is_sent_below_the_payload_is_marked(picluster: Picluster, shelf: Shelf) -> None:
    shelf.run("a", engine="ray", sent_bytes=100)
    out = picluster("compare").out
    assert re.search(r" 0\.1\* +0\.2$", out, re.MULTILINE)
    assert "* Row 1 sent less than the payload, because workers of Ray" in out


def test_times_of_a_run_whose_node_swapped_are_marked(picluster: Picluster, shelf: Shelf) -> None:
    run = shelf.run("a")
    reading = next(each.event for each in run.metrics("pi1") if isinstance(each.event, Resources))
    run.record("pi1", msgspec.structs.replace(reading, swapped_bytes=4096))
    out = picluster("compare").out
    assert re.search(r"^1 +4\.0 s! +10\.0! ", out, re.MULTILINE)
    assert "! times of row 1 are not comparable: pi1 was in swap" in out


def test_unlike_rows_say_so_above_the_tables(picluster: Picluster, shelf: Shelf) -> None:
    shelf.run("a", recipe={"epochs": 3})
    shelf.run("b", engine="rpc", other_arrays=("labels",), dataset="pets")
    lines = [line.rstrip() for line in picluster("compare").out.splitlines()]
    place = lines.index("differ     epochs: 3 (row 1), 2 (row 2)")
    assert lines[place + 1 : place + 3] == [
        "not comparable: row 1 (cora) and row 2 (pets) were tested on other nodes or",
        "  labels",
    ]
