"""Edges of a degree-corrected stochastic block model (Karrer and Newman, Phys. Rev. E 83, 2011, section II).

Every node stands in a table of stubs as often as its expected degree asks for: a degree-weighted draw is one gather,
and a draw within a block one from the block's range of the table. An edge is the key `(low << 32) | high`, low < high.
"""

from collections.abc import Callable
from functools import partial

import numpy as np
from numpy.typing import NDArray

Keys = NDArray[np.int64]
Nodes = NDArray[np.int32]

_ROUNDS = 24
"""Largest number of times that duplicates are drawn anew: small dense blocks may have no more pairs to give."""
_ENOUGH = 0.001
"""Share of the wanted edges below which a shortfall is left as it is."""


class StubTable:
    """The stubs of all nodes, block after block."""

    def __init__(self, ids: Nodes, block_of: NDArray[np.int16], counts: NDArray[np.int64]) -> None:
        """`ids`: (N,) node ids, block after block; `block_of`: (N,) by node id; `counts`: (N,) stubs, as `ids`."""
        self._stubs = np.repeat(ids, counts)
        self._block_of = block_of
        per_block = np.bincount(block_of[ids], weights=counts).astype(np.int64)
        self.first = np.concatenate(([0], np.cumsum(per_block)))  # (blocks + 1,)

    def draw_within(self, block: int, random: np.random.Generator, count: int) -> Keys:
        """Keys of at most `count` edges inside the block; duplicates are possible."""
        stubs = self._stubs[self.first[block] : self.first[block + 1]]
        left, right = _gather(stubs, count, random), _gather(stubs, count, random)
        return _keys(left, right, left != right)

    def draw_across(self, random: np.random.Generator, count: int) -> Keys:
        """Keys of at most `count` edges between different blocks; duplicates are possible."""
        left, right = _gather(self._stubs, count, random), _gather(self._stubs, count, random)
        return _keys(left, right, self._block_of[left] != self._block_of[right])


def draw_edges(table: StubTable, edges: int, homophily: float, random: np.random.Generator) -> Keys:
    """Keys (about `edges`,) of distinct edges without self-loops, the share `homophily` of them inside blocks.

    Edges for which a block has no room are drawn between blocks.
    """
    keys = np.empty(edges, np.int64)
    filled = 0
    volumes = np.diff(table.first) / table.first[-1]  # share of every block in all stubs
    for block, volume in enumerate(volumes):
        found = _distinct(partial(table.draw_within, block, random), round(edges * homophily * volume))
        keys[filled : filled + len(found)] = found
        filled += len(found)
    found = _distinct(partial(table.draw_across, random), edges - filled)
    keys[filled : filled + len(found)] = found
    return keys[: filled + len(found)]


def _distinct(draw: Callable[[int], Keys], wanted: int) -> Keys:
    found = _sorted_unique(draw(wanted))
    for _ in range(_ROUNDS):
        missing = wanted - len(found)
        if missing <= wanted * _ENOUGH:
            break
        found = _sorted_unique(np.concatenate((found, draw(missing))))
    return found


def _sorted_unique(keys: Keys) -> Keys:
    keys.sort()
    unique: Keys = keys[np.diff(keys, prepend=-1) != 0]
    return unique


def _gather(stubs: Nodes, count: int, random: np.random.Generator) -> Nodes:
    drawn: Nodes = stubs[random.integers(0, len(stubs), count, np.int32)]
    return drawn


def _keys(left: Nodes, right: Nodes, keep: NDArray[np.bool_]) -> Keys:
    left, right = left[keep], right[keep]
    keys: Keys = np.minimum(left, right).astype(np.int64)
    keys <<= 32
    keys |= np.maximum(left, right)
    return keys
