"""Rows as they are written, and the launches that they become."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from picluster.controller.comparison.rows_file import LaunchRow, RowLine, read_rows
from picluster.controller.planning.request import LaunchRequest
from picluster.errors import InputError

CHECKOUT = Path(__file__).parents[4]


def rows_in(tmp_path: Path, text: str, further: str = "") -> list[tuple[int, tuple[str, ...]]]:
    file = tmp_path / "rows.txt"
    file.write_text(text)
    return [(row.number, row.words) for row in read_rows(file, further)]


def a_row(**options: Any) -> LaunchRow:
    return LaunchRow(RowLine(Path("rows.txt"), 1, ()), LaunchRequest.of(options))


def test_comments_and_empty_lines_are_no_rows_and_quotes_hold_words_together(tmp_path: Path) -> None:
    text = "# all\n\n--model gcn # this one\n   \n--model 'my model.py' --epochs 3\n"
    assert rows_in(tmp_path, text) == [(3, ("--model", "gcn")), (5, ("--model", "my model.py", "--epochs", "3"))]


def test_further_options_stand_behind_those_of_every_row(tmp_path: Path) -> None:
    found = rows_in(tmp_path, "--epochs 3\n--epochs 4\n", "--epochs 1 --model 'a b'")
    assert [words[2:] for _, words in found] == [("--epochs", "1", "--model", "a b")] * 2


@pytest.mark.parametrize(
    ("text", "told"), [("# nothing\n", "has no rows"), ("\n--model 'gcn\n", "rows.txt:2: no clos")]
)
def test_a_file_without_sense_is_refused_with_its_place(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(InputError, match=told):
        rows_in(tmp_path, text)


def test_files_that_cannot_be_read_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot read the rows"):
        read_rows(tmp_path / "none.txt")
    (tmp_path / "latin.txt").write_bytes(b"\xff\xfe")
    with pytest.raises(InputError, match="UTF-8"):
        read_rows(tmp_path / "latin.txt")


def test_each_seed_is_told_to_the_launch_and_draws_a_split_where_there_is_one_to_draw() -> None:
    asked = a_row(model="gcn", dataset="cora", tag="t").with_seed(3)
    assert asked.words() == ["--dataset", "cora", "--model", "gcn", "--seed", "3", "--tag", "t"]
    split = a_row(model="gcn", dataset="cora-linqs", inventory="a b.yml").with_seed(3)
    assert (split.split_seed, split.inventory) == (3, "a b.yml")


def test_pre_training_is_asked_for_with_the_first_seed_alone() -> None:
    row = a_row(pretrain=True, model="gcn")
    assert [row.with_seed(seed).pretrain for seed in range(3)] == [True, False, False]


@pytest.mark.parametrize(
    ("options", "dataset"),
    [
        ({}, "reddit-like-0.01"),
        ({"scale": 0.002, "features": "fp32"}, "reddit-like-0.002-fp32"),
        ({"dataset": "cora-linqs"}, "cora-linqs"),
        ({"dataset": "pets"}, "pets"),
    ],
)
def test_a_row_knows_its_graph_s_folder_but_for_the_split(options: dict[str, Any], dataset: str) -> None:
    row = a_row(**options, model="models/my.py")
    assert (row.model, row.dataset, row.has_splits) == ("my", dataset, dataset == "cora-linqs")


@pytest.mark.parametrize(("name", "rows"), [("cora", 7), ("reddit", 8), ("precision", 3)])
def test_the_comparisons_that_come_with_it_can_be_read(name: str, rows: int) -> None:
    assert len(read_rows(CHECKOUT / "comparisons" / f"{name}.txt")) == rows
