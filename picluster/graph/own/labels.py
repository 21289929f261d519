"""Labels as a person gives them, numbered as classes; and those in a file that holds a whole graph."""

import shlex
from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from picluster.errors import DataError
from picluster.graph.own.node_ids import nodes_of
from picluster.graph.own.own_graph import Table
from picluster.graph.own.whole.entries import Entries
from picluster.graph.own.words import WordColumn, is_missing, is_number, plain_number, whole_number, words_of

_MOST_NAMES = 12
_TABLE = 2


class Labels(NamedTuple):
    """Classes by node, or by distinct word."""

    values: NDArray[Any]
    """(N,) or (words,), -1 where there is no label."""
    class_names: tuple[str, ...]
    """(classes,) where classes are not called by their numbers; else none."""
    notes: tuple[str, ...]


class NodeLabels(NamedTuple):
    """The label of every node."""

    table: Table
    """(N, 1) whole numbers, -1 where there is none; or words."""
    known: int
    """One more than the largest label; 0 for words."""
    notes: tuple[str, ...] = ()


def read_labels(table: Table, nodes: int, missing: Sequence[str] = ()) -> Labels:
    """The label of every node. `missing`: more words for "no label". DataError where something does not fit.

    Whole numbers keep their order, words are sorted.
    """
    ids, column = nodes_of(table, nodes)
    words = words_of(column)
    classes = _classes(table, words, missing)
    values = classes.values[words.codes]
    if not len(values) or values.max() < 0:
        raise DataError(f"{table.where(0)} and on: no node has a label", fix="label those that are to train")
    labels = np.full(nodes, -1, np.int16 if values.max() < 1 << 15 else np.int32)
    labels[ids] = values
    return Labels(labels, classes.class_names, (*classes.notes, *_unlabelled(words, classes.values, nodes)))


def _classes(table: Table, words: WordColumn, missing: Sequence[str]) -> Labels:
    """The class of each distinct word."""
    labelled = {
        place: word
        for place, word in enumerate(words.distinct)
        if not is_missing(word, missing) and plain_number(word) != -1
    }
    numbers = {place: number for place, word in labelled.items() if (number := plain_number(word)) is not None}
    if len(numbers) == len(labelled):
        return _numbered(table, words, numbers)
    for place, word in labelled.items():
        if is_number(word) and "." in word and whole_number(word) is None:
            others = all(is_number(other) for other in labelled.values())
            why = "a class is a whole number or a word" if others else "a number beside words"
            what = f"{table.where(words.first_row(place))}: label {word}: {why}"
            raise DataError(what, fix="name or number the classes")
    names = sorted(labelled.values())
    number_of = {name: number for number, name in enumerate(names)}
    notes = [_named(names)]
    if figures := [word for word in names if plain_number(word) is not None]:
        other = next(word for word in labelled.values() if plain_number(word) is None)
        alone = len(figures) == len(names) - 1
        hint = f" (--missing {shlex.quote(other)} if it means that there is no label)" if alone else ""
        notes.append(
            f"labels: read as words, because {other!r} is no number{hint}; {figures[0]!r} is the name of a class too"
        )
    classes = [number_of[word] if place in labelled else -1 for place, word in enumerate(words.distinct)]
    return Labels(np.array(classes, np.int64), tuple(names), tuple(notes))


def _numbered(table: Table, words: WordColumn, numbers: dict[int, int]) -> Labels:
    """Classes of whole numbers: as they are where these are 0 to K - 1, else numbered in their order."""
    for place, number in numbers.items():
        if number < 0:
            what = f"{table.where(words.first_row(place))}: label {number}: labels run from 0; -1 is unlabelled"
            raise DataError(
                what, fix=f"number the classes from 0, or pass it over with --missing={words.distinct[place]}"
            )
    known = sorted(set(numbers.values()))
    class_of = {number: place for place, number in enumerate(known)}
    places = range(len(words.distinct))
    classes = np.array([class_of[numbers[place]] if place in numbers else -1 for place in places], np.int64)
    if known == list(range(len(known))):
        return Labels(classes, (), ())
    names = [str(number) for number in known]
    return Labels(classes, tuple(names), (f"labels are not 0 to {len(known) - 1}: {_named(names)}",))


def _named(names: Sequence[str]) -> str:
    shown = [f"{number} = {name}" for number, name in enumerate(names[:_MOST_NAMES])]
    return f"classes: {', '.join([*shown, *(['…'] if len(names) > _MOST_NAMES else [])])}"


def _unlabelled(words: WordColumn, classes: NDArray[Any], nodes: int) -> list[str]:
    """Sentences on the nodes that have no label. `classes`: (words,), of each distinct word."""
    counts = np.bincount(words.codes, minlength=len(words.distinct))
    said = Counter({word: int(counts[place]) for place, word in enumerate(words.distinct) if classes[place] < 0})
    absent = nodes - len(words)
    if not (total := sum(said.values()) + absent):
        return []
    parts = [f"{count:,} {repr(word) if word else 'empty'}" for word, count in said.most_common()]
    parts += [f"{absent:,} without a row"] if absent else []
    names = [word for word in said if word.isalpha() and word.casefold() != "nan"]
    hint = f"; if {names[0]!r} is a class, call it something else" if names else ""
    if classes.max() == 0 and (minus := next((word for word in said if plain_number(word) == -1), "")):
        hint = f"; if {minus} is a class beside the only other, write 0 for it"
    return [f"unlabelled: {total:,} of {nodes:,} nodes ({', '.join(parts)}){hint}"]


def read_classes(entries: Entries, name: str, nodes: int) -> NodeLabels:
    """The labels of an entry. DataError where they are not one class for each node."""
    array, place = entries.array(name), f"{name} of {entries.file}"
    if array.ndim == _TABLE and 1 in array.shape and array.size == nodes:
        array = array.reshape(-1)
    notes: tuple[str, ...] = ()
    if array.ndim == _TABLE and len(array) == nodes:
        array = _from_columns(entries, name, array)
        notes = (f"{name}: a column for each class, of which one is 1: read as the number of the class",)
    if array.ndim != 1:
        raise DataError(f"{place} has the shape {array.shape}, not (N,)", fix="give one label for each node")
    if array.dtype.kind == "f":
        array = _from_floats(entries, name, array)
    if array.dtype.kind not in "iubOU":
        raise DataError(f"{place} holds {array.dtype.name}, where classes are expected", fix="number them from 0")
    array = array.astype(np.int64) if array.dtype.kind == "b" else array
    count = int(array.max()) + 1 if array.dtype.kind in "iu" and array.size else 0
    return NodeLabels(Table(rows=array[:, None], where=lambda row: f"{place}, row {row} (from 0)"), count, notes)


def _from_columns(entries: Entries, name: str, array: NDArray[Any]) -> NDArray[Any]:
    """(N,) the column with a 1, -1 where there is none. DataError for several in a row, or other values."""
    place = f"{name} of {entries.file}"
    if array.dtype.kind not in "iufb" or not np.isin(array, (0, 1)).all():
        what = f"{place} has the shape {array.shape}: several values for each node, not one class"
        raise DataError(what, fix="give one label for each node")
    counts = (array == 1).sum(axis=1)
    if (counts > 1).any():
        row = int(np.argmax(counts > 1))
        what = f"{place}, row {row} (from 0): {counts[row]} classes for one node; a node has one class here"
        owned = f"{entries.owner}{name}"
        raise DataError(what, fix=f"choose one of the {array.shape[1]} to be learnt: {owned} = {owned}[:, 0]")
    return np.where(counts == 1, (array == 1).argmax(axis=1), -1)


def _from_floats(entries: Entries, name: str, array: NDArray[Any]) -> NDArray[Any]:
    """Whole numbers, -1 for nan. DataError names the first that is neither."""
    unknown = np.isnan(array)
    wrong = ~unknown & ~(np.isfinite(array) & (array == np.rint(array)))
    if wrong.any():
        row = int(np.argmax(wrong))
        what = f"{name} of {entries.file}, row {row} (from 0): {array[row]} is a value, not a class"
        raise DataError(what, fix="number the classes from 0")
    return np.where(unknown, -1, array).astype(np.int64)
