"""Rows as they are written, and the launches that they become."""

from __future__ import annotations

from pathlib import Path

import pytest

from picluster.controller.comparison.rows_file import LaunchRow, read_rows
from picluster.errors import InputError

CHECKOUT = Path(__file__).parents[4]


def rows_in(tmp_path: Path, text: str, further: str = "") -> list[tuple[int, tuple[str, ...]]]:
    file = tmp_path / "rows.txt"
    file.write_text(text)
    return [(row.number, row.words) for row in read_rows(file, further)]


def a_row(tmp_path: Path, text: str, *, dataset: str) -> LaunchRow:
    file = tmp_path / "rows.txt"
    file.write_text(text)
    (line,) = read_rows(file)
    return LaunchRow(line, "gcn", dataset, has_splits=dataset == "cora-linqs")


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


def test_each_seed_is_told_to_the_launch_and_draws_a_split_where_there_is_one_to_draw(tmp_path: Path) -> None:
    row = a_row(tmp_path, "--model gcn", dataset="cora")
    assert row.words(3, tag="t", inventory=None) == ["--model", "gcn", "--seed", "3", "--tag", "t"]
    split = a_row(tmp_path, "--model gcn", dataset="cora-linqs").words(3, tag="t", inventory=Path("a b.yml"))
    assert split[-4:] == ["--split-seed", "3", "--inventory", "a b.yml"]


def test_pre_training_is_asked_for_with_the_first_seed_alone(tmp_path: Path) -> None:
    row = a_row(tmp_path, "--pretrain --model gcn", dataset="cora")
    assert ["--pretrain" in row.words(seed, tag="t", inventory=None) for seed in range(3)] == [True, False, False]


@pytest.mark.parametrize("name", ["cora", "reddit"])
def test_the_comparisons_that_come_with_it_can_be_read(name: str) -> None:
    assert len(read_rows(CHECKOUT / "comparisons" / f"{name}.txt")) == 7
