"""Neighbour sampling over a compressed graph: uniform, without replacement, a whole frontier at once.

Needs numpy alone. Draws are hashed from (seed, purpose, epoch, step, layer, node id, draw), so a node's neighbours do
not depend on who else is in the frontier or in which process.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from picluster.graph.packing import PackedIds
from picluster.randomness import Key, Purpose, draw_words, key, row_words

Ids = NDArray[np.int32]
Counts = NDArray[np.uint8] | NDArray[np.int32]

_WIDEST_BYTE = 255
_CHUNK = 1 << 15
"""Nodes that are looked at together where all are: what is made of them stays in the cache."""


@dataclass(frozen=True)
class Hop:
    """The sampled neighbours of one layer's targets."""

    counts: Counts
    """(T,) neighbours of each target; one byte each where the fanout allows."""
    neighbours: Ids
    """(E,) target after target: node ids at the first layer, elsewhere positions in the frontier one hop out."""


@dataclass(frozen=True)
class Sample:
    """The blocks of one micro-batch. Frontiers are nested: each begins with the one before it."""

    ids: Ids
    """The frontier that the first layer computes; its first `frontiers[l]` ids are the targets of layer l."""
    frontiers: tuple[int, ...]
    """Number of targets of each layer, first layer first; the last entry counts the seeds."""
    hops: tuple[Hop, ...]
    """One for each layer, first layer first."""


class NeighbourSampler:
    """Samples blocks from a graph in compressed sparse columns."""

    def __init__(
        self,
        indptr: NDArray[np.int64],
        indices: Ids | PackedIds,
        *,
        fanout: tuple[int, ...] | None,
        depth: int,
        seed: int,
    ) -> None:
        """`indptr` (N + 1,), `indices` (E,); `fanout` nearest to the seeds first, None = all neighbours."""
        self._indptr = np.asarray(indptr)  # as a plain array: every access to a memory map makes another one
        self._indices = indices
        self._degree = _only_degree(self._indptr)
        self._fanouts: Sequence[int | None] = fanout if fanout is not None else [None] * depth
        self._seed = seed
        self._position = np.full(len(indptr) - 1, -1, np.int32)

    def sample(self, seeds: Ids, *, purpose: Purpose, epoch: int, step: int) -> Sample:
        """Sample all layers' blocks around `seeds` (B,), distinct node ids."""
        frontier, frontiers, hops = seeds, [len(seeds)], []
        for hop, fanout in enumerate(self._fanouts):
            layer = len(self._fanouts) - 1 - hop
            counts, neighbours = self.neighbours(frontier, fanout, key(self._seed, purpose, epoch, step, layer))
            if layer > 0:
                frontier, neighbours = self._extend(frontier, neighbours)
                frontiers.append(len(frontier))
            hops.append(Hop(counts, neighbours))
        return Sample(frontier, tuple(reversed(frontiers)), tuple(reversed(hops)))

    def neighbours(self, ids: Ids, fanout: int | None, draw_key: Key) -> tuple[Counts, Ids]:
        """Up to `fanout` distinct neighbours of each node, all where it has no more: (T,) counts and (E,) node ids."""
        if fanout is None:
            return self.all_neighbours(ids)
        starts, degrees = self._starts(ids)
        counts = np.minimum(degrees, fanout)
        offsets = np.broadcast_to(np.arange(fanout, dtype=np.int32), (len(ids), fanout))
        rich = np.flatnonzero(degrees > fanout)
        if len(rich) == len(ids):
            offsets = distinct_draws(ids, degrees, fanout, draw_key)
        elif len(rich):
            offsets = offsets.copy()
            offsets[rich] = distinct_draws(ids[rich], degrees[rich], fanout, draw_key)
        places = starts[:, None] + offsets
        if len(ids) and counts.min() < fanout:
            places = places[np.arange(fanout) < counts[:, None]]
        picked = self._indices[places.ravel()]
        return (counts.astype(np.uint8) if fanout <= _WIDEST_BYTE else counts), picked

    def degrees(self, ids: Ids) -> NDArray[np.int32]:
        """Number of each node's neighbours: (T,)."""
        return self._starts(ids)[1]

    def _starts(self, ids: Ids) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
        """Return where each node's neighbours begin, and how many there are: (T,) both."""
        if self._degree is not None:  # as of pairs: each look-up would be a random access
            return ids.astype(np.int64) * self._degree, np.full(len(ids), self._degree, np.int32)
        starts = self._indptr[ids]
        return starts, (self._indptr[ids.astype(np.int64) + 1] - starts).astype(np.int32)

    def all_neighbours(self, ids: Ids) -> tuple[NDArray[np.int32], Ids]:
        """Every neighbour of each node: (T,) counts and (E,) node ids."""
        starts, degrees = self._starts(ids)
        if len(ids) and (np.diff(ids) == 1).all():  # successive nodes lie one behind the other
            return degrees, np.array(self._indices[starts[0] : starts[-1] + degrees[-1]])
        ends = np.cumsum(degrees, dtype=np.int64)
        total = int(ends[-1]) if len(ends) else 0
        # starts[0], starts[0] + 1, … for degrees[0] places, then the same for each further node.
        return degrees, self._indices[np.arange(total) + np.repeat(starts - ends + degrees, degrees)]

    def _extend(self, frontier: Ids, neighbours: Ids) -> tuple[Ids, Ids]:
        """The frontier with its new neighbours behind it, and the neighbours as positions in that."""
        self._position[frontier] = np.arange(len(frontier), dtype=np.int32)
        new = np.unique(neighbours[self._position[neighbours] < 0])
        wider = np.concatenate([frontier, new])
        self._position[new] = np.arange(len(frontier), len(wider), dtype=np.int32)
        positions = self._position[neighbours]
        self._position[wider] = -1
        return wider, positions


def _only_degree(indptr: NDArray[np.int64]) -> int | None:
    """The number of neighbours of every node; None where they differ."""
    first = int(indptr[1]) if len(indptr) > 1 else 0
    for begin in range(0, len(indptr) - 1, _CHUNK):
        if (np.diff(indptr[begin : begin + _CHUNK + 1]) != first).any():
            return None
    return first


def distinct_draws(ids: Ids, sizes: NDArray[np.int32], count: int, draw_key: Key) -> NDArray[np.int32]:
    """For each row, `count` distinct numbers below `sizes` (all > `count`), uniformly: (T, count).

    Floyd's algorithm (Bentley and Floyd, "A sample of brilliance", CACM 1987), vectorised over rows.
    """
    words = row_words(draw_key, ids)
    chosen = np.empty((count, len(ids)), np.int32)
    for draw in range(count):
        last = sizes - (count - draw)
        # By multiplication (Lemire, 2019); the bias is below bound / 2³².
        products = draw_words(draw_key, words, draw).view(np.uint32).astype(np.uint64) * (last + 1).astype(np.uint64)
        drawn = (products >> np.uint64(32)).astype(np.int32)
        seen = (chosen[:draw] == drawn).any(axis=0)
        chosen[draw] = np.where(seen, last, drawn)
    return np.ascontiguousarray(chosen.T)


def shuffled(ids: Ids, seed: int, epoch: int) -> Ids:
    """The order in which an epoch visits its seeds."""
    order = np.empty(len(ids), np.int64)
    for begin in range(0, len(ids), _CHUNK):
        part = ids[begin : begin + _CHUNK]
        # No two ids share a word. Sorted as one number, they are in order ten times sooner than by argsort.
        order[begin : begin + len(part)] = row_words(key(seed, Purpose.SHUFFLE, epoch), part).astype(np.int64) << 32
        order[begin : begin + len(part)] |= part
    order.sort()
    return order.astype(np.int32)


def cut(seeds: Ids, sizes: Sequence[int]) -> list[Ids]:
    """Cut a step's seeds into micro-batches."""
    edges = np.concatenate([[0], np.cumsum(sizes)])
    return [seeds[begin:end] for begin, end in pairwise(edges)]
