"""Labels as a person gives them, checked and numbered."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from picluster.errors import DataError
from picluster.graph.own.ids import ids_and_values
from picluster.graph.own.table import Table


def read_labels(table: Table, nodes: int) -> tuple[NDArray[Any], list[str]]:
    """The label of every node (N,), -1 where there is none, and the names of the classes where labels are words.

    Words are numbered in their sorted order. DataError where something does not fit.
    """
    ids, words = ids_and_values(table, nodes)
    names: list[str] = []
    try:
        values = words.astype(np.int64)
    except ValueError:
        known, values = np.unique(words, return_inverse=True)
        names = [str(word) for word in known]
    except OverflowError:
        raise DataError(f"{table.where(0)} and on: labels are larger than any class", fix="number from 0") from None
    for wrong, why in ((values < -1, "labels run from 0, -1 is unlabelled"), (values >= nodes, "more than nodes")):
        if wrong.any():
            row = int(np.argmax(wrong))
            raise DataError(f"{table.where(row)}: label {values[row]}: {why}", fix="number the classes from 0")
    if values.max() < 0:
        raise DataError(f"{table.where(0)} and on: no node has a label", fix="label those that are to train")
    labels = np.full(nodes, -1, np.int16 if values.max() < 1 << 15 else np.int32)
    labels[ids] = values
    return labels, names
