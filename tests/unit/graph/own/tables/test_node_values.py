"""Labels and splits: the head, empty lines, the column of ids."""

from pathlib import Path

import numpy as np
import pytest

from picluster.errors import DataError
from picluster.graph.own.labels import Labels, read_labels
from picluster.graph.own.own_graph import OwnGraph, Table
from picluster.graph.own.splits import is_split, read_splits
from tests.unit.graph.own.tables.small_files import read


def _labels(words: list[object], *missing: str) -> Labels:
    array = np.array(words, object if any(isinstance(word, str) for word in words) else None)
    return read_labels(Table(rows=array[:, None], where=lambda row: f"row {row}"), len(words), missing)


@pytest.mark.parametrize(
    ("words", "values", "names"),
    [
        (["cat", "", "dog", "nan"], [0, -1, 1, -1], ("cat", "dog")),
        (["cat", "None", "NA", "?", "N/A", "null", "NaN"], [0, -1, -1, -1, -1, -1, -1], ("cat",)),
        (["cat", "-1", "-1.0", "dog"], [0, -1, -1, 1], ("cat", "dog")),
        (["0.0", "", "1.0", "2.0"], [0, -1, 1, 2], ()),
        (["0.0", "10.0", "2.0"], [0, 2, 1], ("0", "2", "10")),
        (["1", "2", "3"], [0, 1, 2], ("1", "2", "3")),
        (["0", "2", "5", "-1"], [0, 1, 2, -1], ("0", "2", "5")),
        ([0.0, float("nan"), 2.0, 1.0], [0, -1, 2, 1], ()),
        ([True, False], [1, 0], ("False", "True")),
        (["True", "False", ""], [1, 0, -1], ("False", "True")),
        (["01", "02", "01"], [0, 1, 0], ("01", "02")),
        (["1", "cat", "2"], [0, 2, 1], ("1", "2", "cat")),
        ([3, 1, -1], [1, 0, -1], ("1", "3")),
    ],
)
def test_labels_are_numbered_and_missing_ones_are_not(
    words: list[object], values: list[int], names: tuple[str, ...]
) -> None:
    labels = _labels(words)
    assert labels.values.tolist() == values
    assert labels.class_names == names
    assert any(note.startswith("unlabelled: ") for note in labels.notes) == (-1 in values)


def test_a_word_of_ones_own_means_missing_and_a_known_one_is_told() -> None:
    assert _labels(["a", "unknown", "b", "-"], "unknown", "-").values.tolist() == [0, -1, 1, -1]
    assert _labels(["0", "-9", "1"], "-9").values.tolist() == [0, -1, 1]
    notes = _labels(["a", "None", "None", "b"]).notes
    assert "unlabelled: 2 of 4 nodes (2 'None'); if 'None' is a class, call it something else" in notes


@pytest.mark.parametrize(("word", "message"), [("1.5", "label 1.5: a class is a whole number"), ("-2", "label -2:")])
def test_labels_that_are_no_classes_are_refused(word: str, message: str) -> None:
    with pytest.raises(DataError, match=f"row 1: {message}"):
        _labels(["0", word, "1"])


def _values(graph: OwnGraph) -> list[str]:
    return [str(value) for value in graph.labels.rows[:, 0]]


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("a\nb\na\nb\na\nb\n", "ababab"),
        ("a\nb\na\nb\na\nb", "ababab"),
        ("label\na\nb\na\nb\na\nb\n\n\n", "ababab"),
        ("subject\na\nb\na\nb\na\nb\n", "ababab"),
        ("0\na\nb\na\nb\na\nb\n", "ababab"),
        ("0\n1\n0\n1\n0\n1\n1\n", "101011"),
        ("class\nb\nclass\nb\na\nb\n", ["class", "b", "class", "b", "a", "b"]),
        ("# six\na\nb\na\nb\na\nb\n", "ababab"),
        ("\na\nb\na\nb\na\nb\n", "ababab"),
        ("label\na\n\na\nb\na\n\n", ["a", "", "a", "b", "a", ""]),
        ("label\na\n\na\nb\na\n", ["a", "", "a", "b", "a", ""]),
        ("a\n   \na\nb\na\nb\n", ["a", "", "a", "b", "a", "b"]),
        ('a\n""\na\nb\na\nb\n', ["a", "", "a", "b", "a", "b"]),
        ("red cat\nred dog\nred cat\nred dog\na cat\nb\n", ["red cat", "red dog", "red cat", "red dog", "a cat", "b"]),
    ],
)
def test_a_single_column_is_read_by_the_number_of_nodes(tmp_path: Path, text: str, values: str | list[str]) -> None:
    assert _values(read(tmp_path, labels=text)) == list(values)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("label\nb\na\nb\na\nb\n", r"labels\.csv, line 1 is 'label': the name of the column, or the label"),
        ("a\nb\na\nb\na\nb\na\n", r"7 rows, but the features are of 6 nodes"),
        ("label\n", r"labels\.csv has no rows"),
        ("a\n\nb\n", "neither with nor without empty lines is there one value for each node"),
        ("\na\n\nb\na\nb\n", "begins with an empty line"),
        ("0 a\n1\n2 b\n3 a\n4 b\n5 a\n", "line 2 has 1 column instead of 2"),
        ("Dan,a\n0,a\n1,b\n", "line 1: 'Dan' is not a whole number"),
        ("#a\n#b\na\nb\na\nb\n", "'#a' is a comment, or a value"),
        ("a\n#b\na\nb\na\nb\n", "line 2: '#b' is a comment, or a value"),
        ("node,name,label\n0,x,a\n", "has 3 columns; labels have one, or two"),
    ],
)
def test_a_single_column_of_two_readings_is_refused(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(DataError, match=message) as caught:
        read(tmp_path, labels=text)
    assert "labels.csv" in caught.value.what
    assert caught.value.fix


@pytest.mark.parametrize(
    ("text", "nodes"),
    [
        ("node,label\n3,a\n0,b\n", [3, 0]),
        ("3,a\n0,b\n", [3, 0]),
        ("label,node\na,3\nb,0\n", [3, 0]),
        ("a,3\nb,0\n", [3, 0]),
        (",label\n3,a\n0,b\n", [3, 0]),
        (",node,label\n0,3,a\n1,0,b\n", [3, 0]),
        ("paper;subject\n3;a\n0;b\n", [3, 0]),
        ("3 a\n0 b\n", [3, 0]),
        ("3\ta\n0\tb\n", [3, 0]),
        ("label node\na 3\nb 0\n", [3, 0]),
        ("node,label\n3.0,a\n0.0,b\n", [3, 0]),
        ("0,1\n0,a\n3,b\n", [0, 3]),
    ],
)
def test_the_column_of_ids_is_found(tmp_path: Path, text: str, nodes: list[int]) -> None:
    graph = read(tmp_path, labels=text)
    assert graph.labels.nodes is not None
    assert graph.labels.nodes.tolist() == nodes
    assert _values(graph) == ["a", "b"]


def test_a_head_is_one_although_a_class_is_called_label(tmp_path: Path) -> None:
    assert _values(read(tmp_path, labels="node_id,label\n2,label\n3,b\n")) == ["label", "b"]


def test_a_pair_of_0_and_1_is_a_head_above_words_and_else_a_node_that_is_told(tmp_path: Path) -> None:
    assert _values(read(tmp_path, labels="0,1\n2,a\n3,b\n")) == ["a", "b"]
    graph = read(tmp_path, labels="0,1\n2,0\n3,1\n")
    assert _values(graph) == ["1", "0", "1"]
    assert "labels: line 1, 0,1, is read as a node and its value" in graph.notes


def test_an_empty_line_of_a_column_of_splits_is_a_node_in_none(tmp_path: Path) -> None:
    splits = read(tmp_path, splits="split\ntrain\n\ntrain\nval\ntest\n\n").splits
    assert isinstance(splits, Table)
    ids = read_splits(splits, "splits.csv", np.zeros(6, np.int16))
    assert {name: found.tolist() for name, found in ids.items()} == {"train": [0, 2], "validation": [3], "test": [4]}


def test_one_node_without_a_value_is_one_node(tmp_path: Path) -> None:
    graph = read(tmp_path, splits="train\ntrain\ndev\ntest\n\ntest\n")
    assert "splits: an empty line stands for a node without a value (1 node)" in graph.notes
    assert is_split("dev")


def test_labels_whose_only_column_is_left_out_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"labels\.csv, line 1 has 0 columns; .*\n  fix: skip fewer columns"):
        read(tmp_path, labels="label\ncat\ndog\ncat\ndog\ncat\ndog\n", skip=("labels:1",))
