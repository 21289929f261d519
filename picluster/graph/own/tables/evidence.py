"""What the other files tell of the nodes: how many there may be, and by which ids they are called."""

from typing import NamedTuple

import numpy as np

from picluster.graph.own.column_names import is_value_name
from picluster.graph.own.node_ids import NodeIds, whole_ids
from picluster.graph.own.sheet import Column
from picluster.graph.own.splits import is_split
from picluster.graph.own.words import WordColumn, is_missing, whole_number

_FIRST_NUMBER = "0"
"""The head of a single column that pandas writes where it has no name."""


class Evidence(NamedTuple):
    """From edges, labels and splits."""

    ends: tuple[Column, ...]
    """The ends of all edges, without a first line that may be a head."""
    id_columns: tuple[Column, ...] = ()
    """The ids of labels and splits that have some, without a first line that may be a head."""
    counts: tuple[frozenset[int], ...] = ()
    """Of every file with one value for each node: how many nodes that may be."""

    @property
    def in_words(self) -> bool:
        """Whether edges call nodes by words that are no whole numbers."""
        return any(whole_ids(column) is None for column in self.ends)

    def are_all_in(self, ids: NodeIds) -> bool:
        """Whether edges call no node that is not among `ids`."""
        return all(ids.knows(column) for column in self.ends)

    def largest(self) -> int:
        """The largest whole number that calls a node; -1 where there is none."""
        found = [whole for column in (*self.ends, *self.id_columns) if (whole := whole_ids(column)) is not None]
        return max((int(column.max()) for column in found if len(column)), default=-1)

    def counts_exactly(self, nodes: int) -> bool:
        """Whether labels or splits have the ids from 0 to `nodes` - 1, every one."""
        found = [whole for column in self.id_columns if (whole := whole_ids(column)) is not None]
        return any(len(ids) == nodes and np.array_equal(np.sort(ids), np.arange(nodes)) for ids in found)

    def may_be(self, nodes: int) -> bool:
        """Whether there may be so many nodes."""
        return all(nodes in counts for counts in self.counts) and self.largest() < nodes


def head_of_values(column: WordColumn, role: str) -> bool | None:
    """Whether the first word of labels or splits is the column's name; None where only the number of rows can tell."""
    word = column.distinct[column.codes[0]]
    others = {column.distinct[code] for code in np.unique(column.codes[1:])}
    numbers = [whole_number(other) is not None for other in others if not is_missing(other)]
    if is_missing(word):
        return False
    if word in others and word != _FIRST_NUMBER:  # a class may be called `label`
        return None if is_value_name(word) else False
    if role == "splits":
        return not is_split(word) and not (whole_number(word) is not None and any(numbers))
    if word == _FIRST_NUMBER:
        return True if numbers and not any(numbers) else None
    if whole_number(word) is not None:
        return False
    return True if numbers and all(numbers) else None


def possible_counts(column: WordColumn, role: str, empty_lines: tuple[int, ...], *, headed: bool) -> frozenset[int]:
    """How many nodes a file with one value for each may be of."""
    head = False if headed else head_of_values(column, role)
    rows = len(column)
    heads = {True: (1,), False: (0,), None: (0, 1)}[head]
    counts = {rows - head for head in heads} | {rows - head - len(empty_lines) for head in heads}
    return frozenset(counts | {count + 1 for count in counts if empty_lines})
