"""Connected components, joined chunk by chunk of the edges; directions do not count."""

from typing import Any

import numpy as np
from numpy.typing import NDArray


class UnionFind:
    """Nodes that can be reached from each other. Memory: eight bytes for each node, whatever the number of edges."""

    def __init__(self, nodes: int) -> None:
        self._roots = np.arange(nodes)

    def join(self, left: NDArray[Any], right: NDArray[Any]) -> None:
        """The components of `left[i]` and `right[i]` become one, for all i. Both (E,)."""
        left, right = self._apart(left, right)
        while len(left):
            # The larger root hangs itself below the smaller one, so there are never circles.
            np.minimum.at(self._roots, np.maximum(left, right), np.minimum(left, right))
            self._point_to_roots()
            left, right = self._apart(left, right)

    def of_nodes(self) -> NDArray[np.int64]:
        """(N,) The smallest node of each node's component."""
        return self._roots

    def sizes(self) -> NDArray[np.int64]:
        """(components,) Number of nodes of each, the largest first."""
        counts = np.bincount(self._roots)
        return np.sort(counts[counts > 0])[::-1]

    def _apart(self, left: NDArray[Any], right: NDArray[Any]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """The roots of those pairs that are not yet in one component."""
        left, right = self._roots[left], self._roots[right]
        apart = left != right
        return left[apart], right[apart]

    def _point_to_roots(self) -> None:
        while not np.array_equal(further := self._roots[self._roots], self._roots):
            self._roots = further
