"""A sample of a graph that is small enough to look at, and still like the whole.

A forest fire: a few neighbours of a node catch fire, then a few of theirs. It keeps degrees and communities better than
nodes or edges drawn by themselves (Leskovec and Faloutsos, "Sampling from Large Graphs", KDD 2006).
"""

from collections import deque
from typing import Any

import numpy as np
from numpy.typing import NDArray

from picluster.randomness import Purpose, key

_BURNING = 0.7
"""Each further neighbour catches fire with this probability: 2.3 of them on average. The paper's best value."""

_FIRES = 10
"""Number of fires that burn at the same time: a single one would stay for long in the community where it began."""


def forest_fire(indptr: NDArray[np.int64], indices: NDArray[Any], count: int, *, seed: int) -> NDArray[np.int64]:
    """Ids of `count` nodes, ascending; of all nodes where there are no more. The same for the same seed.

    A fire that dies flares up again where a neighbour is left to burn, and elsewhere only where none is: the drawn part
    is connected as far as the fires meet.
    """
    nodes = len(indptr) - 1
    if nodes <= count:
        return np.arange(nodes)
    random = np.random.default_rng(key(seed, Purpose.SAMPLE).word)
    burnt = np.zeros(nodes, bool)
    beginnings = iter(random.permutation(nodes))
    burning: deque[int] = deque()
    fires, left = 0, count
    while left:
        if fires < _FIRES or not burning:
            fires += 1
            caught = np.array([next(node for node in beginnings if not burnt[node])])
        else:
            node = burning.popleft()
            neighbours = indices[indptr[node] : indptr[node + 1]]
            fresh = neighbours[~burnt[neighbours]]
            wanted = min(len(fresh), left, int(random.geometric(1 - _BURNING)) - 1)
            caught = random.choice(fresh, wanted, replace=False)
            if len(fresh) > wanted:
                burning.append(node)
        burnt[caught] = True
        burning.extend(caught.tolist())
        left -= len(caught)
    return np.flatnonzero(burnt)


def edges_among(indptr: NDArray[np.int64], indices: NDArray[Any], nodes: NDArray[np.int64]) -> NDArray[np.int32]:
    """(P, 2) Pairs of places in `nodes` that an edge joins, in either direction; each pair once, in order.

    The neighbours of one node are read at a time: memory is of the size of the result.
    """
    places = np.full(len(indptr) - 1, -1, np.int32)
    places[nodes] = np.arange(len(nodes), dtype=np.int32)
    keys = [np.zeros(0, np.int64)]
    for place, node in enumerate(nodes):
        others = places[indices[indptr[node] : indptr[node + 1]]]
        others = others[others >= 0].astype(np.int64)
        keys.append(np.minimum(others, place) * len(nodes) + np.maximum(others, place))
    distinct = np.unique(np.concatenate(keys))
    return np.stack(np.divmod(distinct, max(len(nodes), 1)), axis=1).astype(np.int32)
