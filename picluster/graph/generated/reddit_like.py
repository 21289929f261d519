"""A generated graph of the shape of Reddit (Hamilton, Ying and Leskovec, NeurIPS 2017), at any scale.

Scale 1 is its full size: 232,965 nodes, 114.6 million directed edges, 602 features, 41 classes. Nodes grow with the
scale and the mean degree with its square root, so that small graphs stay sparse. The same (scale, seed) gives the
same bytes.
"""

from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from picluster.graph.edges import write_symmetric_csc
from picluster.graph.folder import SPLITS
from picluster.graph.generated.block_model import StubTable, draw_edges
from picluster.graph.generated.noisy_features import fill_features, normal_quantiles
from picluster.graph.splits import write_splits
from picluster.graph.writer import GraphWriter
from picluster.randomness import Purpose, key

FEATURES = 602
CLASSES = 41
HOMOPHILY = 0.75
"""Share of the edges that join two nodes of one class. Below scale 0.03 the classes are too small for that many."""
LABEL_NOISE = 0.045
"""Share of the nodes whose label is that of a random other node: no model can know it."""

_VERSION = 1
"""Counts up with every change of the graph that a (scale, seed) gives."""
_NODES = 232_965
_MEAN_DEGREE = 492.0
_SPLITS = (153_431, 23_831)  # train, validation; the rest is test
_DEGREE_SIGMA = 1.16
"""Sigma of the log-normal expected degrees: at scale 1 the largest degree comes out at Reddit's 21.7 thousand."""
_CLASS_OFFSET = 7
"""Class k has a share in proportion to 1 / (k + offset): the largest is six times the smallest."""
_STUBS = 64
"""Stubs of a node of mean degree: the resolution of expected degrees."""


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
        nodes = round(_NODES * scale)
        train, validation = (round(size * scale) for size in _SPLITS)
        return cls(nodes, round(nodes * _MEAN_DEGREE * scale**0.5 / 2), train, validation)


def write_reddit_like(path: Path, *, scale: float, seed: int, feature_dtype: str) -> None:
    """Generate the graph folder `path`. `feature_dtype`: float16 or float32. DataError where the disk is too small."""
    sizes = Sizes.at(scale)
    random = np.random.default_rng(key(seed, Purpose.GENERATE).word)
    source = f"generated in Reddit's shape, version {_VERSION}: scale {scale:g}, seed {seed}"
    with GraphWriter(path, source=source, classes=CLASSES) as writer:
        # The big arrays first: a disk that is too small shows at once.
        features = writer.create("features", (sizes.nodes, FEATURES), feature_dtype)
        block_of = _write_structure(writer, sizes, random)
        labels = block_of.copy()
        wrong = random.permutation(len(labels))[: round(LABEL_NOISE * len(labels))]
        labels[wrong] = block_of[random.integers(0, len(labels), len(wrong))]
        writer.write("labels", labels)
        order = random.permutation(sizes.nodes).astype(np.int32)
        parts = np.split(order, [sizes.train, sizes.train + sizes.validation])
        write_splits(writer, dict(zip(SPLITS, parts, strict=True)))
        fill_features(features, block_of, random)


def _write_structure(writer: GraphWriter, sizes: Sizes, random: np.random.Generator) -> NDArray[np.int16]:
    """Write `indptr` and `indices`; returns the true class of every node (N,)."""
    ids = random.permutation(sizes.nodes).astype(np.int32)
    ends = np.cumsum(1 / (np.arange(CLASSES) + _CLASS_OFFSET))
    bounds = np.rint(ends / ends[-1] * sizes.nodes).astype(np.int64)
    block_of = np.empty(sizes.nodes, np.int16)
    block_of[ids] = np.repeat(np.arange(CLASSES, dtype=np.int16), np.diff(bounds, prepend=0))
    # Expected degrees are the quantiles of a log-normal distribution with mean 1.
    degrees = np.exp(_DEGREE_SIGMA * normal_quantiles(sizes.nodes) - _DEGREE_SIGMA**2 / 2)
    stubs = np.maximum(1, np.rint(_STUBS * degrees)).astype(np.int64)
    table = StubTable(ids, block_of, random.permutation(stubs))
    write_symmetric_csc(writer, draw_edges(table, sizes.edges, HOMOPHILY, random), sizes.nodes)
    return block_of
