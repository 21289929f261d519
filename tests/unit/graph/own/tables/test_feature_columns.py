"""By which ids files call nodes, and which column or line they stand in."""

from pathlib import Path

import pytest

from picluster.errors import DataError
from picluster.graph.own.node_ids import check_ids
from tests.unit.graph.own.tables.small_files import FEATURES, LABELS, read

NUMBERS = "\n".join(line.partition(",")[2] for line in FEATURES.splitlines()[1:]) + "\n"
"""The features without ids and head."""


def _read_and_check(folder: Path, changed: dict[str, str]) -> None:
    graph = read(folder, **changed)  # type: ignore[arg-type]
    check_ids(graph.edges, graph.edges.rows, len(graph.features.rows))


@pytest.mark.parametrize(
    ("edges", "features", "names"),
    [
        ("from,to\nAnna,Bob\n", "name,a\nAnna,1\nBob,2\n", ["Anna", "Bob"]),
        ("Anna,Bob\n", "Anna,1\nBob,2\n", ["Anna", "Bob"]),
        ("a,b\n31336,8\n", "paper_id,a\n31336,1\n8,2\n", ["31336", "8"]),
        ("31336,8\n", "31336,1\n8,2\n", ["31336", "8"]),
        ("007,008\n", "id,a\n007,1\n008,2\n", ["007", "008"]),
        ("10,20\n", "node,a\n10.0,1\n20.0,2\n", ["10", "20"]),
        ("1,2\n", "node,a\n1,1\n2,2\n", ["1", "2"]),
        ("9007199254740993,9007199254740992\n", "id,a\n9007199254740993,1\n9007199254740992,2\n",
         ["9007199254740993", "9007199254740992"]),
        ("99999999999999999999,7\n", "id,a\n99999999999999999999,1\n7,2\n", ["99999999999999999999", "7"]),
        ("x,y\n", "a,user\n1,x\n2,y\n", ["x", "y"]),
        ("1 2\n", '"a"\n"1" 1\n"2" 2\n', ["1", "2"]),
    ],
)  # fmt: skip
def test_ids_number_the_nodes_and_are_kept(tmp_path: Path, edges: str, features: str, names: list[str]) -> None:
    graph = read(tmp_path, edges, features, f"node,label\n{names[1]},cat\n")
    assert list(graph.node_names) == names
    assert graph.edges.rows.tolist() == [[0, 1]]
    assert graph.features.rows.tolist() == [[1], [2]]
    assert graph.labels.nodes is not None
    assert graph.labels.nodes.tolist() == [1]


@pytest.mark.parametrize("head", ["node", "id", "", "Unnamed: 0", "paper_id", "nodeId"])
def test_whole_numbers_from_0_are_the_nodes_numbers_in_any_order(tmp_path: Path, head: str) -> None:
    graph = read(tmp_path, "0,1\n", f"a,{head}\n5,1\n6,0\n", "node,label\n0,cat\n")
    assert not graph.node_names
    assert graph.features.nodes is not None
    assert graph.features.nodes.tolist() == [1, 0]
    assert graph.features.rows.tolist() == [[5], [6]]


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"edges": "1,2\n6,1\n"}, "ids seem to begin with 1"),
        ({"edges": "1,2\n6,1\n", "features": NUMBERS}, "0 never occurs, and 6 does: ids seem to begin with 1"),
        ({"features": FEATURES.replace("node", "paper_id"), "edges": "1,2\n7,8\n"}, "line 2: there is no node 7"),
        ({"features": "id,a\n007,1\n8,2\n", "edges": "7,8\n", "labels": "x\ny\n"}, "there is no node 7"),
        ({"features": "name,a\nx,1\ny,2\n", "edges": "0,1\n"}, r"column 1 \(name\) looks like the ids of nodes"),
        ({"features": "node,a\n0,1\n0,2\n", "edges": "0,1\n"}, r"features\.csv, line 3: node 0 was there before"),
        ({"features": "0,0.5\n1,0.5\n2,7\n3,1\n4,1\n5,1\n"}, "column 1 has the number of a row in each: ids"),
        ({"features": "1,0.5\n2,0.5\n3,7\n4,1\n5,1\n6,1\n", "edges": "1,2\n"}, "column 1 has the number of a row"),
        (
            {"features": "node,id,a\n1,10,1\n2,20,2\n", "edges": "1,2\n", "labels": "10,x\n20,x\n"},
            "there is no node 10",
        ),
        ({"features": FEATURES.replace("0\n1,", "0\n5,")}, "node 5 was there before"),
        ({"edges": "0,1\n1,3\n", "features": "1,2\n3,4\n5,6\n", "labels": "a\nb\na\n"}, "line 2: there is no node 3"),
        ({"labels": "node,label\n0,cat\nx,dog\n"}, r"labels\.csv, line 3: 'x' is not a whole number"),
        ({"features": "a,node\n5,1\n6,0\n", "edges": "0,1\n", "labels": "cat\ndog\n"}, "one column is in the order of"),
    ],
)
def test_ids_that_are_unknown_or_doubtful_are_refused(tmp_path: Path, changed: dict[str, str], message: str) -> None:
    with pytest.raises(DataError, match=message) as caught:
        _read_and_check(tmp_path, changed)
    assert caught.value.fix


def test_a_head_of_numbers_is_told_from_a_node_by_the_labels(tmp_path: Path) -> None:
    graph = read(tmp_path, features=f"0,1\n{NUMBERS}")
    assert len(graph.features.rows) == 6
    assert any("is read as a head: so there are 6 nodes" in note for note in graph.notes)
    assert len(read(tmp_path, features=f"0,1\n{NUMBERS}", labels=f"{LABELS}6,cat\n").features.rows) == 7
    assert len(read(tmp_path, features=f"0,1\n{NUMBERS}", labels="cat\n" * 7).features.rows) == 7
    assert len(read(tmp_path, features=f"0,1\n{NUMBERS}", labels="0\n" + "cat\n" * 6).features.rows) == 6


def test_a_head_of_years_is_told_by_the_labels_and_one_of_any_numbers_is_suspected(tmp_path: Path) -> None:
    assert len(read(tmp_path, features=f"2019,2020\n{NUMBERS}").features.rows) == 6
    notes = read(tmp_path, features=f"400.5,410.1\n{NUMBERS}").notes
    assert "features: the last of 7 nodes has no label and no edge: is line 1 a head of numbers?" in notes


def test_indicators_are_1_and_0(tmp_path: Path) -> None:
    assert read(tmp_path, features="a,b,c\n" + "True,0.5,FALSE\n" * 6).features.rows.tolist() == [[1, 0.5, 0]] * 6


def test_a_second_column_of_ids_is_told(tmp_path: Path) -> None:
    rows = "".join(f"{node},{100 + node},1\n" for node in range(6))
    notes = read(tmp_path, features=f"node,paper_id,a\n{rows}").notes
    assert any("(paper_id) looks like ids; it is read as a feature (--skip paper_id" in note for note in notes)
    notes = read(tmp_path, "100,101\n", f",paper_id,a\n{rows}", "100,cat\n").notes
    assert "features: column 1 numbers the rows, and is passed over" in notes


def test_a_head_of_numbers_is_refused_where_nothing_tells_it_from_a_node(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"features\.csv, line 1 is 0,1: names of columns, or a node's features\?"):
        read(tmp_path, features=f"0,1\n{NUMBERS}", labels="node,label\n0,cat\n3,dog\n")
    with pytest.raises(
        DataError, match=r"edges\.csv, line 1 is 0,1: names of columns, as above the features, or an edge"
    ):
        read(tmp_path, "0,1\n1,2\n", features=f"0,1\n{NUMBERS}")
    assert read(tmp_path, "0,1\n31,32\n", "id,a\n31,1\n32,2\n", "0,1\n31,cat\n").edges.rows.tolist() == [[0, 1]]
    twice = read(tmp_path, "0,1\n0,1\n1,2\n", features=f"0,1\n{NUMBERS}")
    assert twice.edges.rows.tolist() == [[0, 1], [1, 2]]


@pytest.mark.parametrize(
    ("features", "message"),
    [
        ("a,city\n" + "1,Rome\n" * 6, r"features\.csv, line 2, column 2 \(city\): 'Rome' is not a number"),
        (FEATURES.replace("0.25", ""), r"line 3, column 2 \(a\): nothing instead of a number"),
        (FEATURES.replace("0.25", "NA"), r"line 3, column 2 \(a\): 'NA' instead of a number"),
        ("0.5,abc,2\n" + "1,2,3\n" * 6, r"features\.csv, line 1: 'abc' is not a number"),
        ("1_000,2_000\n" + "1,2\n" * 6, r"features\.csv, line 1: '1_000' is not a number"),
        (FEATURES.replace("0.25", "1_000"), "'1_000' is not a number"),
        (FEATURES.replace("0.25", "0x10"), "'0x10' is not a number"),
        (FEATURES.replace("0.25", '"1,000.5"'), "'1,000.5' is not a number"),
        ("a;b\n" + "1,500;2,000\n" * 6, "is a decimal comma, or divides thousands"),
        ("a\n1\n\n2\n3\n4\n5\n6\n", r"features\.csv, line 3 is empty"),
    ],
)
def test_what_is_no_feature_is_refused_with_its_column(tmp_path: Path, features: str, message: str) -> None:
    with pytest.raises(DataError, match=message) as caught:
        read(tmp_path, features=features)
    assert caught.value.fix


def test_decimal_commas_and_skipped_columns_of_text(tmp_path: Path) -> None:
    european = "a;city;b\n" + "0,5;Rome;1,25\n" * 6
    graph = read(tmp_path, features=european, skip=("city",))
    assert graph.features.rows.tolist() == [[0.5, 1.25]] * 6
    assert "features: columns divided by semicolons; decimal commas" in graph.notes


def test_a_column_called_like_ids_that_repeats_stays_a_feature_in_its_place(tmp_path: Path) -> None:
    rows = read(tmp_path, features="a,group_id,b\n" + "1,7,2\n" * 6).features.rows
    assert rows.tolist() == [[1, 7, 2]] * 6


@pytest.mark.parametrize("ids", [("9007199254740992", "9007199254740993"), ("01234", "00007")])
@pytest.mark.parametrize("head", ["", "zip,a\n"])
def test_ids_in_a_column_of_any_name_keep_their_digits(tmp_path: Path, head: str, ids: tuple[str, str]) -> None:
    first, second = ids
    graph = read(tmp_path, f"{first},{second}\n", f"{head}{first},1\n{second},2\n", f"{first},x\n{second},y\n")
    assert graph.node_names == ids
    assert graph.edges.rows.tolist() == [[0, 1]]
    assert graph.features.rows.tolist() == [[1], [2]]
