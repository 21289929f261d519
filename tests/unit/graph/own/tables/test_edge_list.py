"""Edge lists in the dialects that people have: columns, order, weights, banners."""

import gzip
from pathlib import Path

import pytest

from picluster.errors import DataError, InputError
from tests.unit.graph.own.tables.small_files import EDGES, read

THREE = [[0, 1], [1, 2], [3, 5]]
MARKET = "%%MatrixMarket matrix coordinate pattern general\n% made by hand\n6 6 3\n1 2\n2 3\n4 6\n"


@pytest.mark.parametrize(
    ("text", "suffix"),
    [
        ("0,1\n1,2\n3,5", ".csv"),
        ("0\t1\n1\t2\n3\t5\n", ".tsv"),
        ("0;1\n1 ; 2\n3;5\n", ".csv"),
        ("0 1\n1   2\n 3 5 \n", ".txt"),
        ("# Nodes: 6\n# FromNodeId\tToNodeId\n0\t1\n1\t2\n3\t5\n", ".txt"),
        ("0,1\n# between\n1,2\n3,5\n", ".csv"),
        ("% bip unweighted\n0 1\n1 2\n3 5\n", ".edges"),
        ("0 1 {}\n1 2 {}\n3 5 {}\n", ".edgelist"),
        (MARKET, ".mtx"),
        ("source,target\n\n0,1\n   \n1,2\n3,5\n\n\n", ".csv"),
        ('"source","target"\n"0","1"\n"1","2"\n"3","5"\n', ".csv"),
        ("source,target,\n0,1,\n1,2,\n3,5,\n", ".csv"),
        (",source,target\n0,0,1\n1,1,2\n2,3,5\n", ".csv"),
        ("target,source\n1,0\n2,1\n5,3\n", ".csv"),
        ("0.0,1.0\n1,2\n3,5e0\n", ".csv"),
        ("0,+1\n001,2\n3,5\n", ".csv"),
        ("\ufeff0,1\r\n1,2\r\n3,5\r\n", ".csv"),
        ("0,1\r1,2\r3,5\r", ".csv"),
        (gzip.compress(b"0\t1\n1\t2\n3\t5\n", mtime=0), ".tsv.gz"),
    ],
)
def test_every_dialect_has_the_same_edges(tmp_path: Path, text: str | bytes, suffix: str) -> None:
    assert read(tmp_path, text, suffix=suffix).edges.rows.tolist() == THREE


@pytest.mark.parametrize(
    ("head", "rows"),
    [
        ("source,target", [[0, 1]]),
        ("target,source", [[1, 0]]),
        ("to,from", [[1, 0]]),
        ("dst,src", [[1, 0]]),
        ("ToNodeId,FromNodeId", [[1, 0]]),
        ("target,first", [[1, 0]]),
        ("citing,cited", [[0, 1]]),
        ("left,right", [[0, 1]]),
    ],
)
def test_the_head_says_which_end_is_the_source(tmp_path: Path, head: str, rows: list[list[int]]) -> None:
    assert read(tmp_path, f"{head}\n0,1\n", directed=True).edges.rows.tolist() == rows


def test_a_comment_that_names_both_ends_is_the_head(tmp_path: Path) -> None:
    assert read(tmp_path, "# a list\n# ToNodeId,FromNodeId\n0,1\n", directed=True).edges.rows.tolist() == [[1, 0]]


def test_ends_of_unknown_names_are_told_where_direction_matters(tmp_path: Path) -> None:
    assert any("from 'left' to 'right'" in note for note in read(tmp_path, "left,right\n0,1\n", directed=True).notes)
    assert any("from source" in note for note in read(tmp_path, "target,source\n0,1\n").notes)


@pytest.mark.parametrize(
    ("text", "skip"),
    [
        ("source,target,weight\n0,1,0.5\n", "weight"),
        ("source,target,weight\n0,1,3\n", "weight"),
        ("0,1,5\n2,1,5\n", "3"),
        ("0\t1\t0.25\n2\t1\t1\n", "3"),
        ("0 1 2.5\n2 1 1\n", "3"),
        ("0 1 {'weight': 3}\n1 2 {}\n", "weight"),
        ("0,1,{'weight': 3.5}\n", "weight"),
        ("%%MatrixMarket matrix coordinate real general\n6 6 1\n1 2 0.5\n", "3"),
        ("weight,source,target\n0.5,0,1\n", "weight"),
    ],
)
def test_weights_are_refused_by_name_and_can_be_skipped_as_the_message_says(
    tmp_path: Path, text: str, skip: str
) -> None:
    with pytest.raises(
        DataError, match=r"edges\.csv, line \d has 3 columns; edges have 2: .*weights of edges"
    ) as caught:
        read(tmp_path, text)
    assert f"--skip {skip}" in caught.value.fix
    graph = read(tmp_path, text, skip=(skip,))
    assert graph.edges.rows[:1].tolist() in ([[0, 1]], [[2, 1]])
    assert any("is left out" in note for note in graph.notes)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("0|1\n1|2\n", "line 1 has 1 column; edges have 2"),
        ("target,source\n0\t1\n1\t2\n", "line 2 has 2 columns instead of 1"),
        ("0,x\n1,2\n2,3\n", "line 1: 'x' is not a number"),
        ("x,0\n1,2\n2,3\n", "line 1: 'x' is not a number"),
        ("0x0,0x1\n1,2\n", "line 1: '0x0' is not a number"),
        ("0,1\n1,2,\n2,3,\n", "line 2 has 3 columns instead of 2"),
        ("0,1\n1,2,3\n", "line 2 has 3 columns instead of 2"),
        ("0,1\n1\n", "line 2 has 1 column instead of 2"),
        ("0,1\n0x1,2\n", "line 2: '0x1' is not a whole number"),
        ("0,1\n1_0,2\n", "line 2: '1_0' is not a whole number"),
        ("0,1\n\u0661,2\n", "line 2: '\u0661' is not a whole number"),
        ("0,1\n\uff11,2\n", "line 2: '\uff11' is not a whole number"),
        ("0,1\n,2\n", "line 2: a cell is empty"),
        ("0,1\n99999999999999999999,2\n", "line 2: '99999999999999999999' is too large"),
        ("0,0,1\n1,1,2\n2,2,3\n", "column 1 counts the rows"),
        ("0,1\n1,\x002\n", "line 2 holds a NUL byte"),
        ("source,target\n0,1\n".encode("utf-16"), "is text in UTF-16, not in UTF-8"),
        (b"source,target\n0,1\n\xe9,1\n", "line 3 has the byte 0xe9: this is not text in UTF-8"),
        (gzip.compress(b"0,1\n", mtime=0), "is compressed by gzip"),
        ('0,1\n"1,2\n', "line 2: a quote does not end"),
        ("%%MatrixMarket matrix array real general\n6 6\n1\n", "this is no list of edges"),
        ("%%MatrixMarket matrix coordinate pattern general\n6 5 1\n1 2\n", "line 2: the sizes are 6 5 1"),
        (MARKET.replace("6 6 3", "6 6 4"), "3 entries, but the sizes above say 4"),
        (MARKET.replace("6 6 3", "7 7 3"), "a matrix of 7 rows, but the features are of 6"),
        ("", "has no rows"),
        ("# nothing\n", "has no rows"),
        ("source,target\n", "has no rows"),
    ],
)
def test_what_is_no_edge_is_refused_with_its_line(tmp_path: Path, text: str | bytes, message: str) -> None:
    with pytest.raises(DataError) as caught:
        read(tmp_path, text)
    assert message in caught.value.what
    assert "edges.csv" in caught.value.what
    assert caught.value.fix


def test_the_mirrored_half_of_a_symmetric_matrix_is_there(tmp_path: Path) -> None:
    text = "%%MatrixMarket matrix coordinate pattern symmetric\n6 6 2\n2 1\n3 3\n"
    assert read(tmp_path, text, suffix=".mtx", directed=True).edges.rows.tolist() == [[1, 0], [2, 2], [0, 1]]


def test_head_and_tail_mean_both_ends(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="head and tail"):
        read(tmp_path, "head,tail\n0,1\n", directed=True)
    assert read(tmp_path, "head,tail\n0,1\n").edges.rows.tolist() == [[0, 1]]


def test_a_column_that_is_not_there_or_in_two_files_is_not_skipped(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such column"):
        read(tmp_path, skip=("wieght",))
    with pytest.raises(InputError, match="edges and features have such a column") as caught:
        read(tmp_path, EDGES.replace("target", "b"), skip=("b",))
    assert "--skip features:b" in caught.value.fix


@pytest.mark.parametrize(
    "head",
    [
        "to_id,from_id",
        "toID,fromID",
        "cited_paper_id,citing_paper_id",
        "v_id,u_id",
        "tgt,src",
        "target node id,source node id",
        "target_name,source_name",
        ":END_ID(Person),:START_ID(Person)",
        "dstIdx,srcIdx",
    ],
)
def test_a_name_that_tells_the_end_among_other_words_decides_the_direction(tmp_path: Path, head: str) -> None:
    assert read(tmp_path, f"{head}\n1,0\n2,1\n5,3\n", directed=True).edges.rows.tolist() == THREE
    names = ("a,1\nb,2\n", "a,x\nb,y\n")
    assert read(tmp_path, f"{head}\na,b\n", *names, directed=True).edges.rows.tolist() == [[1, 0]]


def test_edges_of_neo4j_are_skipped_by_the_names_of_their_head(tmp_path: Path) -> None:
    text = ":START_ID,:END_ID,:TYPE\na,b,KNOWS\n"
    names = ("id:ID,x\na,1\nb,2\n", "a,x\nb,y\n")
    with pytest.raises(DataError, match="TYPE") as caught:
        read(tmp_path, text, *names)
    assert "--skip :TYPE" in str(caught.value)
    assert read(tmp_path, text, *names, skip=(":TYPE",)).edges.rows.tolist() == [[0, 1]]


def test_two_numbered_names_are_a_head_but_not_where_nodes_are_called_so(tmp_path: Path) -> None:
    names = ("a,1\nb,2\n", "a,x\nb,y\n")
    assert read(tmp_path, "node_1,node_2\na,b\n", *names).edges.rows.tolist() == [[0, 1]]
    with pytest.raises(DataError, match="neither 'node_1' nor 'node_2'"):
        read(tmp_path, "node_1,node_2\nnode_3,b\n", "node_3,1\nb,2\n", "node_3,x\nb,y\n")


def test_an_edge_whose_ends_sound_like_a_head_is_not_turned_in_silence(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="names of columns, target first, or an edge"):
        read(tmp_path, "to,from\nfrom,to\n", "to,1\nfrom,2\n", "to,x\nfrom,y\n")


@pytest.mark.parametrize(
    ("text", "shape"),
    [("0,1,0,0\n0,0,1,0\n0,0,0,1\n1,0,0,0\n", "a matrix of all nodes"), ("0,1,2,3\n1,2,3,4\n", "targets in the other")],
)
def test_a_matrix_or_two_long_lines_are_not_to_be_cut_to_two_columns(tmp_path: Path, text: str, shape: str) -> None:
    with pytest.raises(DataError, match=shape) as caught:
        read(tmp_path, text)
    assert "--skip" not in str(caught.value)
