"""Random graphs in compressed sparse columns, and naive answers about them."""

from dataclasses import dataclass

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray


@dataclass(frozen=True)
class RandomGraph:
    """In-neighbours of each node: ascending, without duplicates, without the node itself."""

    indptr: NDArray[np.int64]
    indices: NDArray[np.int32]

    @property
    def nodes(self) -> int:
        return len(self.indptr) - 1

    @property
    def degrees(self) -> NDArray[np.int32]:
        return np.diff(self.indptr).astype(np.int32)

    def neighbours(self, node: int) -> list[int]:
        return [int(each) for each in self.indices[self.indptr[node] : self.indptr[node + 1]]]


def random_graph(nodes: int, density: float, seed: int) -> RandomGraph:
    """Each pair is an edge with probability `density`; a node in ten has no neighbour at all."""
    random = np.random.default_rng(seed)
    matrix = random.random((nodes, nodes)) < density
    matrix[random.random(nodes) < 0.1] = False
    np.fill_diagonal(matrix, val=False)
    indptr = np.concatenate([[0], np.cumsum(matrix.sum(axis=1))]).astype(np.int64)
    return RandomGraph(indptr, np.nonzero(matrix)[1].astype(np.int32))


graphs = st.builds(
    random_graph,
    nodes=st.integers(1, 30),
    density=st.sampled_from([0.0, 0.1, 0.4, 1.0]),
    seed=st.integers(0, 1 << 30),
)
