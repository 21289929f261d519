"""Random graphs in random dialects are read as pandas and networkx read them, or refused; never wrongly in silence."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from picluster.errors import DataError, InputError
from picluster.graph.folder import GraphFolder
from picluster.graph.own.importing import import_graph
from picluster.graph.own.tables.reading import read_own
from tests.unit.graph.own.dialects import Case, draw_case


def assert_read_right(graph: GraphFolder, expected: dict[str, Any]) -> None:
    """Node by node; nodes may be numbered anew, and then have names."""
    names, rows = graph.node_names(), list(range(graph.meta.nodes))
    if names is not None:
        row_of = {name: row for row, name in enumerate(expected["names"])}
        rows = [row_of[name] for name in names]
    elif expected["kind"] == "shuffled":
        rows = list(np.argsort([int(name) for name in expected["names"]]))
    assert len(rows) == len(expected["names"])
    np.testing.assert_array_equal(graph.array("features"), expected["features"][rows].astype(np.float32))
    classes = graph.meta.class_names or [str(number) for number in range(graph.meta.classes)]
    found = [classes[label] if label >= 0 else None for label in graph.array("labels")]
    assert found == [expected["labels"][row] for row in rows]
    indptr, indices = graph.array("indptr"), graph.neighbour_ids()[:]
    edges = {
        (rows[source], rows[target])
        for target in range(graph.meta.nodes)
        for source in indices[indptr[target] : indptr[target + 1]]
    }
    assert edges == expected["edges"]


def outcome(seed: int, folder: Path) -> str:
    """`read`, or the refusal; AssertionError where it was read wrongly."""
    folder.mkdir()
    case = draw_case(seed, folder)
    try:
        graph, notes = imported(case, folder)
    except (DataError, InputError) as error:
        return checked(str(error), case)
    try:
        assert_read_right(graph, case.expected)
    except AssertionError as error:
        raise AssertionError(f"seed {seed}: {case.drawn}\n{case.files}\n{notes}\n{error}") from error
    return "read"


def imported(case: Case, folder: Path) -> tuple[GraphFolder, list[str]]:
    own = read_own(case.files["edges"], case.files["features"], case.files["labels"], None, directed=True)
    done = import_graph("mine", own, graphs_folder=folder, directed=True, feature_dtype="float32")
    return done.graph, done.notes


def checked(refusal: str, case: Case) -> str:
    """A refusal names a file and a fix."""
    assert any(file.name in refusal for file in case.files.values()), (refusal, case.drawn)
    assert "fix: " in refusal
    return refusal


@pytest.mark.parametrize(
    ("first", "count"),
    [
        (0, 60),
        pytest.param(60, 540, marks=[pytest.mark.slow, pytest.mark.thorough]),
        pytest.param(600, 1400, marks=[pytest.mark.slow, pytest.mark.thorough]),
    ],
)
def test_a_graph_in_any_dialect_is_read_as_pandas_reads_it_or_refused_by_name(
    tmp_path: Path, first: int, count: int
) -> None:
    outcomes = Counter(outcome(seed, tmp_path / str(seed)) for seed in range(first, first + count))
    assert outcomes["read"] > 0.7 * count, outcomes.most_common(20)
