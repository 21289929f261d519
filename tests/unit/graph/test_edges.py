"""From lists of edges to the structure of a graph folder."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from picluster.graph import edges
from picluster.graph.edges import distinct_edges
from picluster.graph.folder import GraphFolder
from picluster.graph.writer import GraphWriter
from tests.unit.graph.small_graph import ARRAYS

NODES = 4
PAIRS = st.lists(st.tuples(st.integers(0, NODES - 1), st.integers(0, NODES - 1)), max_size=40)


def _neighbours(path: Path, pairs: list[tuple[int, int]], *, directed: bool) -> dict[int, list[int]]:
    """In-neighbours of every node, as the written folder has them."""
    source, target = np.array(pairs, np.int32).reshape(-1, 2).T
    with GraphWriter(path, source="drawn", classes=2) as writer:
        distinct_edges(source, target, directed=directed).write(writer, NODES)
        for name in ARRAYS.keys() - {"indptr", "indices"}:
            writer.write(name, ARRAYS[name])
    graph = GraphFolder.open(path)
    parts = np.split(graph.neighbour_ids()[:], graph.array("indptr")[1:-1])
    return {node: part.tolist() for node, part in enumerate(parts)}


@settings(max_examples=40, deadline=None)
@given(pairs=PAIRS, directed=st.booleans(), chunk=st.sampled_from([1, 3, 1 << 20]))
def test_neighbours_are_those_of_a_plain_set_of_edges(
    pairs: list[tuple[int, int]], directed: bool, chunk: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    wanted = {pair for pair in pairs if pair[0] != pair[1]}
    wanted |= set() if directed else {(target, source) for source, target in wanted}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(edges, "_CHUNK_EDGES", chunk)
        found = _neighbours(tmp_path_factory.mktemp("graphs") / "any", pairs, directed=directed)
    assert found == {node: sorted(source for source, target in wanted if target == node) for node in range(NODES)}


@settings(max_examples=40, deadline=None)
@given(pairs=PAIRS, directed=st.booleans())
def test_what_is_left_out_is_counted(pairs: list[tuple[int, int]], directed: bool) -> None:
    found = distinct_edges(*np.array(pairs, np.int64).reshape(-1, 2).T, directed=directed)
    without_loops = [pair for pair in pairs if pair[0] != pair[1]]
    assert found.loops == len(pairs) - len(without_loops)
    assert found.repeated == len(without_loops) - len(set(without_loops))
    distinct = set(without_loops)
    assert found.given == len(distinct)
    assert found.one_way == len([pair for pair in distinct if directed or pair[::-1] not in distinct])


def test_both_directions_of_an_edge_are_no_repetition() -> None:
    found = distinct_edges(np.array([0, 1]), np.array([1, 0]))
    assert (len(found.keys), found.repeated) == (1, 0)


def test_the_largest_ids_fit() -> None:
    largest = (1 << 31) - 2
    [key] = distinct_edges(np.array([largest]), np.array([largest - 1])).keys
    assert (key >> 32, key & 0xFFFFFFFF) == (largest - 1, largest)
