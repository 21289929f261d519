"""A generated graph of the shape of Reddit (Hamilton, Ying and Leskovec, NeurIPS 2017), at any scale.

Scale 1 is its full size: 232,965 nodes, 114.6 million directed edges, 602 features, 41 classes. Nodes grow with the
scale, and the mean degree with its square root up to scale 1, so that small graphs stay sparse. The same (scale, seed)
gives the same bytes.
"""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import NormalDist
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from picluster.graph.edges import Keys, distinct_keys, write_symmetric_csc
from picluster.graph.folder import SPLITS
from picluster.graph.writer import FeatureRows, GraphWriter
from picluster.randomness import Purpose, key
from picluster.schema.datasets import Published

FEATURES = 602
CLASSES = 41

REDDIT = Published(
    name="Reddit",
    nodes=232_965,
    edges=114_615_892,
    features=FEATURES,
    classes=CLASSES,
    splits={"train": 153_431, "validation": 23_831, "test": 55_703},
    mean_degree=492.0,
    largest_degree=21_657,
    homophily=0.75,
)
"""Statistics of Reddit itself; the homophily is told as about this."""
_VERSION = 3
"""Counts up with every change of the graph that a (scale, seed) gives."""
_DEGREE_SIGMA = 1.16
"""Sigma of the log-normal expected degrees: at scale 1 the largest degree comes out at Reddit's 21.7 thousand."""
_CLASS_OFFSET = 7
"""Class k has a share in proportion to 1 / (k + offset): the largest is six times the smallest."""
_MOST_AWAY = 0.65
"""Largest share of a node's edges in another class's pool. Shares are fifth powers: most nodes have few such edges."""
_BETWEEN = 0.025
"""Share of the edges of a node of mean degree that join any two classes; it grows with the degree's root."""
_STUBS = 64
"""Stubs of a node of mean degree: the resolution of expected degrees."""
_ROUNDS = 24
"""Largest number of times that duplicates are drawn anew: small dense blocks may have no more pairs to give."""
_ENOUGH = 0.001
"""Share of the wanted edges below which a shortfall is left as it is."""

_TOPICS = 2
_MISLED_SHARE = 0.27
"""Share of the nodes that carry another class's features."""
_CLASS_SPREAD = 0.0625
"""Standard deviation of the class means in each dimension; the noise has 1."""
_TOPIC_SPREAD = 0.3125
_LOW_RANK = 16
_LOW_RANK_SPREAD = 0.5
_CHUNK_ROWS = 4096
_QUANTILES = 1 << 16
_STEP = 1 / 16
"""Unit of which the values of every table of features are multiples."""

Nodes = NDArray[np.int32]


class Sizes(NamedTuple):
    """Numbers of nodes and edges at a scale."""

    nodes: int
    edges: int
    """Undirected edges, each of which is stored twice."""
    train: int
    validation: int

    @classmethod
    def at(cls, scale: float) -> "Sizes":
        """Sizes at `scale`; 1 is Reddit's."""
        nodes = round(REDDIT.nodes * scale)
        train, validation = (round(REDDIT.splits[name] * scale) for name in SPLITS[:2])
        return cls(nodes, round(nodes * REDDIT.mean_degree * min(1.0, scale) ** 0.5 / 2), train, validation)


def source_of(scale: float, seed: int) -> str:
    """Origin of a generated graph, in words."""
    return f"generated in Reddit's shape, version {_VERSION}: scale {scale:g}, seed {seed}"


def is_generated(source: str) -> bool:
    """True for a source that `source_of` has told, in any version."""
    return source.startswith("generated in Reddit's shape,")


def write_reddit_like(path: Path, *, scale: float, seed: int, feature_dtype: str) -> None:
    """Generate the graph folder `path`, with features of `feature_dtype`. DataError where the disk is too small."""
    sizes = Sizes.at(scale)
    random = np.random.default_rng(key(seed, Purpose.GENERATE).word)
    with GraphWriter(path, source=source_of(scale, seed), classes=CLASSES) as writer:
        # The big arrays first: a disk that is too small shows at once.
        features = writer.create_features((sizes.nodes, FEATURES), feature_dtype)
        block_of = _write_structure(writer, sizes, random)
        writer.write("labels", block_of)
        order = random.permutation(sizes.nodes).astype(np.int32)
        parts = np.split(order, [sizes.train, sizes.train + sizes.validation])
        writer.write_splits(dict(zip(SPLITS, parts, strict=True)))
        _fill_features(features, block_of, random)


def _write_structure(writer: GraphWriter, sizes: Sizes, random: np.random.Generator) -> NDArray[np.int16]:
    """Write `indptr` and `indices`; returns the true class of every node (N,)."""
    ids = random.permutation(sizes.nodes).astype(np.int32)
    ends = np.cumsum(1 / (np.arange(CLASSES) + _CLASS_OFFSET))
    bounds = np.rint(ends / ends[-1] * sizes.nodes).astype(np.int64)
    block_of = np.empty(sizes.nodes, np.int16)
    block_of[ids] = np.repeat(np.arange(CLASSES, dtype=np.int16), np.diff(bounds, prepend=0))
    # Expected degrees are the quantiles of a log-normal distribution with mean 1.
    degrees = np.exp(_DEGREE_SIGMA * _normal_quantiles(sizes.nodes) - _DEGREE_SIGMA**2 / 2)
    stubs = random.permutation(np.maximum(1, np.rint(_STUBS * degrees)).astype(np.int64))
    pools = _pools(ids, stubs, block_of, random)
    write_symmetric_csc(writer, _draw_edges(pools, block_of, sizes.edges, random), sizes.nodes)
    return block_of


def _pools(
    ids: Nodes, stubs: NDArray[np.int64], block_of: NDArray[np.int16], random: np.random.Generator
) -> list[Nodes]:
    """Stubs of each pool: of a class's own nodes and those that visit it; last, stubs of edges between any classes.

    Shares are multiplied and rooted, not raised to powers: the same bits on every machine.
    """
    between = np.rint(stubs * np.minimum(0.5, _BETWEEN * np.sqrt(stubs / _STUBS))).astype(np.int64)
    shares = random.random(len(ids))
    shares *= (shares * shares) * (shares * shares)
    away = np.rint((stubs - between) * (_MOST_AWAY * shares)).astype(np.int64)
    other = block_of[random.integers(0, len(ids), len(ids), np.int32)]
    pool_of = np.concatenate((block_of[ids], other, np.full(len(ids), CLASSES, np.int16)))
    counts = np.concatenate((stubs - between - away, away, between))
    order = np.argsort(pool_of, kind="stable")
    ends = np.cumsum(np.bincount(pool_of, weights=counts, minlength=CLASSES + 1)).astype(np.int64)
    return np.split(np.repeat(np.tile(ids, 3)[order], counts[order]), ends[:-1])


def _draw_edges(pools: list[Nodes], block_of: NDArray[np.int16], edges: int, random: np.random.Generator) -> Keys:
    """Keys (about `edges`,) of distinct edges of a degree-corrected stochastic block model with mixed membership.

    Karrer and Newman, Phys. Rev. E 83, 2011, section II; memberships as in Airoldi and others, JMLR 9, 2008.
    `block_of`: (N,). Edges for which a pool has no room are drawn between classes.
    """
    total = sum(len(pool) for pool in pools)
    keys = np.empty(edges, np.int64)
    filled = 0
    for pool in pools[:-1]:
        found = _distinct(partial(_draw, pool, None, random), round(edges * (len(pool) / total)))
        keys[filled : filled + len(found)] = found
        filled += len(found)
    found = _distinct(partial(_draw, pools[-1], block_of, random), edges - filled)
    keys[filled : filled + len(found)] = found
    return distinct_keys(keys[: filled + len(found)])  # two nodes may meet in two pools


def _distinct(draw: Callable[[int], Keys], wanted: int) -> Keys:
    found = distinct_keys(draw(wanted))
    for _ in range(_ROUNDS):
        missing = wanted - len(found)
        if missing <= wanted * _ENOUGH:
            break
        found = distinct_keys(np.concatenate((found, draw(missing))))
    return found


def _draw(stubs: Nodes, block_of: NDArray[np.int16] | None, random: np.random.Generator, count: int) -> Keys:
    """Keys of at most `count` edges between two stubs, of different blocks if these are given; some may be the same."""
    left, right = (stubs[random.integers(0, len(stubs), count, np.int32)] for _ in range(2))
    kept = left != right if block_of is None else block_of[left] != block_of[right]
    left, right = left[kept], right[kept]
    keys: Keys = np.minimum(left, right).astype(np.int64)
    keys <<= 32
    keys |= np.maximum(left, right)
    return keys


def _fill_features(features: FeatureRows, block_of: NDArray[np.int16], random: np.random.Generator) -> None:
    """Fill `features` (N, F), from which a node's class is hard to tell without its neighbours. `block_of`: (N,).

    Class mean + mean of a sub-class + low-rank noise + noise; and a share of the nodes carries another class's
    features: with plain means and noise, models without the graph would be right too. Every table holds small multiples
    of a power of two: sums are exact in float32, so every machine writes the same bytes.
    """
    normal = _normal_quantiles(_QUANTILES)
    width, classes = features.shape[1], int(block_of.max()) + 1
    shown = block_of.copy()  # the class whose features a node carries
    misled = random.permutation(len(block_of))[: round(_MISLED_SHARE * len(block_of))]
    shown[misled] = block_of[random.integers(0, len(block_of), len(misled))]
    centres = _table(normal, (classes, 1, width), _CLASS_SPREAD, random)
    topics = _table(normal, (classes, _TOPICS, width), _TOPIC_SPREAD, random)
    centres = centres + np.concatenate((topics, -topics), axis=1)
    directions = _table(normal, (_LOW_RANK, width), _LOW_RANK_SPREAD, random)
    noise = _rounded(normal)
    for start in range(0, len(features), _CHUNK_ROWS):
        chosen = shown[start : start + _CHUNK_ROWS]
        rows = noise[random.integers(0, _QUANTILES, (len(chosen), width), np.uint16)]
        rows += noise[random.integers(0, _QUANTILES, (len(chosen), _LOW_RANK), np.uint16)] @ directions
        rows += centres[chosen, random.integers(0, 2 * _TOPICS, len(chosen))]
        features[start : start + _CHUNK_ROWS] = rows


def _normal_quantiles(count: int) -> NDArray[np.float64]:
    """(count,) Middles of equally probable slices of the standard normal distribution, ascending."""
    inverse = NormalDist().inv_cdf
    return np.array([inverse((position + 0.5) / count) for position in range(count)])


def _table(
    normal: NDArray[np.float64], shape: tuple[int, ...], spread: float, random: np.random.Generator
) -> NDArray[np.float32]:
    table: NDArray[np.float32] = _rounded(normal * spread)[random.integers(0, _QUANTILES, shape, np.uint16)]
    return table


def _rounded(values: NDArray[np.float64]) -> NDArray[np.float32]:
    return (np.rint(values / _STEP) * _STEP).astype(np.float32)
