"""Columns of Parquet of every type."""

from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from picluster.errors import DataError
from picluster.graph.own.labels import read_labels
from picluster.graph.own.own_graph import OwnGraph
from picluster.graph.own.tables.reading import read_own

arrow = pytest.importorskip("pyarrow", reason="pyarrow reads it")
parquet = pytest.importorskip("pyarrow.parquet", reason="pyarrow reads it")

GRAPH: dict[str, dict[str, Any]] = {
    "edges": {"source": [0, 1], "target": [1, 2]},
    "features": {"a": [1.0, 2.0, 3.0], "b": [4, 5, 6]},
    "labels": {"label": ["x", "y", "x"]},
}


def _read(folder: Path, *, directed: bool = False, skip: tuple[str, ...] = (), **changed: dict[str, Any]) -> OwnGraph:
    files = [folder / f"{name}.parquet" for name in GRAPH]
    for file, columns in zip(files, (GRAPH | changed).values(), strict=True):
        parquet.write_table(arrow.table(columns), file)
    return read_own(files[0], files[1], files[2], None, skip=skip, directed=directed)


@pytest.mark.parametrize(
    ("label", "values"),
    [
        (["x", None, "y"], [0, -1, 1]),
        ([1, None, 0], [1, -1, 0]),
        ([1.0, None, 0.0], [1, -1, 0]),
        ([float("nan"), 0.0, 1.0], [-1, 0, 1]),
        ([True, None, False], [1, -1, 0]),
        ([Decimal(1), None, Decimal(0)], [1, -1, 0]),
        (arrow.array(["x", None, "y"]).dictionary_encode(), [0, -1, 1]),
        (arrow.array(["x", None, "y"], arrow.large_string()), [0, -1, 1]),
        (arrow.array([1, None, 0], arrow.uint64()), [1, -1, 0]),
    ],
)
def test_null_is_unlabelled_in_every_type(tmp_path: Path, label: Any, values: list[int]) -> None:
    graph = _read(tmp_path, labels={"label": label})
    assert read_labels(graph.labels, 3).values.tolist() == values


def test_features_are_numbers_whatever_their_type(tmp_path: Path) -> None:
    graph = _read(tmp_path, features={"a": [Decimal("0.5")] * 3, "b": [True, False, True], "c": [1, 2, 3]})
    assert graph.features.rows.tolist() == [[0.5, 1, 1], [0.5, 0, 2], [0.5, 1, 3]]


@pytest.mark.parametrize("name", ["node", "__index_level_0__", "paper_id"])
def test_ids_are_found_by_the_name_of_their_column(tmp_path: Path, name: str) -> None:
    labels = {"node": [0], "label": ["x"]}
    graph = _read(tmp_path, features={"a": [1.0, 2.0, 3.0], name: [2, 1, 0]}, labels=labels)
    assert graph.features.nodes is not None
    assert graph.features.nodes.tolist() == [2, 1, 0]
    words = _read(tmp_path, edges={"to": ["p"], "from": ["q"]}, features={name: ["q", "p"], "a": [1, 2]}, directed=True,
                  labels={"label": ["x", "y"]})  # fmt: skip
    assert (list(words.node_names), words.edges.rows.tolist()) == (["q", "p"], [[0, 1]])


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"features": {"a": [1.0] * 3, "when": [datetime(2026, 1, 1, tzinfo=UTC)] * 3}}, "column when holds timestamp"),
        ({"features": {"a": [1.0] * 3, "city": ["Rome"] * 3}}, r"column 2 \(city\): 'Rome' is not a number"),
        ({"features": {"a": [1.0] * 3, "pair": [[1.0, 2.0]] * 3}}, "column pair holds list"),
        ({"edges": {"source": [0], "target": [1], "weight": [0.5]}}, r"column 3 \(weight\) holds '0.5': weights"),
        ({"edges": {"source": [0, None], "target": [1, 2]}}, r"row 1 \(from 0\): a cell is empty"),
        ({"features": {"node": [0, None, 2], "a": [1.0] * 3}}, r"row 1 \(from 0\): 'nan' is no whole number"),
        ({"edges": {"source": arrow.array([], "int64"), "target": arrow.array([], "int64")}}, "has no rows"),
    ],
)
def test_what_cannot_be_is_refused_by_name_and_can_be_skipped(
    tmp_path: Path, changed: dict[str, Any], message: str
) -> None:
    with pytest.raises(DataError, match=message) as caught:
        _read(tmp_path, **changed)
    if "--skip" in caught.value.fix:
        _read(tmp_path, **changed, skip=(caught.value.fix.rpartition("--skip ")[2],))
