"""Splits by a seed: nodes are ordered by a hash of (seed, node id), the same everywhere, whatever numpy's version."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from picluster.graph.folder import SPLITS
from picluster.randomness import Purpose, draw_words, key, row_words

Ids = NDArray[np.int32]


def shuffled(ids: Ids, seed: int) -> Ids:
    """Ids (N,) in an order that depends on the seed alone."""
    ids = np.sort(ids)
    words = key(seed, Purpose.GENERATE)
    rows = row_words(words, ids)
    order = np.lexsort((draw_words(words, rows, 1), draw_words(words, rows, 0)))
    return ids[order]


def split_by_share(ids: Ids, seed: int) -> dict[str, Ids]:
    """Split of `ids` (N,): 60 % train, 20 % validation, the rest test."""
    order = shuffled(ids, seed)
    train, validation = round(0.6 * len(ids)), round(0.2 * len(ids))
    return dict(zip(SPLITS, np.split(order, [train, train + validation]), strict=True))


def split_by_class(labels: NDArray[np.int16], seed: int, *, per_class: int, validation: int) -> dict[str, Ids]:
    """Split of nodes with `labels` (N,): `per_class` of each class train, `validation` of the others, the rest test."""
    order = shuffled(np.arange(len(labels), dtype=np.int32), seed)
    train = np.concatenate([order[labels[order] == label][:per_class] for label in np.unique(labels)])
    others = order[~np.isin(order, train)]
    return {"train": train, "validation": others[:validation], "test": others[validation:]}


def empty_split_notes(counts: Mapping[str, int]) -> list[str]:
    """Sentences on the results that a run will lack without validation or test nodes. `counts`: nodes by split."""
    told = []
    if not counts["validation"]:
        told.append("no validation nodes: no epoch is found to be the best, the weights after the last one are kept")
    if not counts["test"]:
        told.append("no test nodes: no test accuracy will be told")
    return told
