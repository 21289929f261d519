"""Labels as a person gives them, numbered as classes."""

import shlex
from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from picluster.errors import DataError
from picluster.graph.own.ids import nodes_of
from picluster.graph.own.table import Table
from picluster.graph.own.words import WordColumn, is_missing, is_number, plain_number, to_words, whole_number

_UNLABELLED = "-1"
_MOST_NAMES = 12


class Labels(NamedTuple):
    """Classes by node."""

    values: NDArray[Any]
    """(N,), -1 where there is no label."""
    class_names: tuple[str, ...]
    """Where a class is not called by its number."""
    notes: tuple[str, ...]


class _Numbering(NamedTuple):
    numbers: list[int]
    """The class of each distinct word; -1 where it is none."""
    names: tuple[str, ...]
    notes: tuple[str, ...]


def read_labels(table: Table, nodes: int, missing: Sequence[str] = ()) -> Labels:
    """The label of every node. `missing`: words for "no label", beside those that are known.

    Whole numbers keep their order, words are sorted. DataError where something does not fit.
    """
    ids, column = nodes_of(table, nodes)
    words = label_words(column)
    classes = _classes(table, words, missing)
    values = np.array([*classes.numbers, -1])[words.codes]
    if not len(values) or values.max() < 0:
        raise DataError(f"{table.where(0)} and on: no node has a label", fix="label those that are to train")
    labels = np.full(nodes, -1, np.int16 if values.max() < 1 << 15 else np.int32)
    labels[ids] = values
    return Labels(labels, classes.names, (*classes.notes, *_unlabelled(words, classes.numbers, nodes)))


def label_words(column: NDArray[Any]) -> WordColumn:
    """The labels as words, whatever they were: whole floats as 1, no number as nothing."""
    if column.dtype.kind == "f":
        known, codes = np.unique(column, return_inverse=True)
        texts = [str(int(value)) if value.is_integer() else repr(value) for value in known.tolist()]
        return WordColumn(codes.astype(np.int32), tuple(texts))
    if column.dtype.kind in "iub":
        known, codes = np.unique(column, return_inverse=True)
        return WordColumn(codes.astype(np.int32), tuple(str(value) for value in known.tolist()))
    return to_words(str(value).strip() for value in column.tolist())


def _classes(table: Table, words: WordColumn, missing: Sequence[str]) -> _Numbering:
    used = set(np.unique(words.codes).tolist())
    present = {place: word for place, word in enumerate(words.distinct) if place in used}
    known = {place: word for place, word in present.items() if not is_missing(word, missing)}
    labelled = {place: word for place, word in known.items() if plain_number(word) != -1}
    numbers = {place: plain_number(word) for place, word in labelled.items()}
    if all(number is not None for number in numbers.values()):
        return _numbered(table, words, {place: number or 0 for place, number in numbers.items()})
    for place, word in labelled.items():
        if is_number(word) and "." in word and whole_number(word) is None:
            others = all(is_number(other) for other in labelled.values())
            why = "a class is a whole number or a word" if others else "a number beside words"
            raise DataError(
                f"{table.where(words.first_row(place))}: label {word}: {why}", fix="name or number the classes"
            )
    names = sorted(labelled.values())
    number_of = {name: number for number, name in enumerate(names)}
    notes = [_named(names)]
    figures = [word for word in names if plain_number(word) is not None]
    if figures:
        other = next(word for word in labelled.values() if plain_number(word) is None)
        alone = len(figures) == len(names) - 1
        hint = f" (--missing {shlex.quote(other)} if it means that there is no label)" if alone else ""
        notes.append(
            f"labels: read as words, because {other!r} is no number{hint}; {figures[0]!r} is the name of a class too"
        )
    return _Numbering(
        [
            number_of.get(labelled.get(place, ""), -1) if place in labelled else -1
            for place in range(len(words.distinct))
        ],
        tuple(names),
        tuple(notes),
    )


def _numbered(table: Table, words: WordColumn, numbers: dict[int, int]) -> _Numbering:
    """Classes of whole numbers: as they are where these are 0 to K - 1, else numbered in their order."""
    for place, number in numbers.items():
        if number < 0:
            what = f"{table.where(words.first_row(place))}: label {number}: labels run from 0; -1 is unlabelled"
            raise DataError(
                what, fix=f"number the classes from 0, or pass it over with --missing={words.distinct[place]}"
            )
    known = sorted(set(numbers.values()))
    class_of = {number: place for place, number in enumerate(known)}
    classes = [class_of[numbers[place]] if place in numbers else -1 for place in range(len(words.distinct))]
    if known == list(range(len(known))):
        return _Numbering(classes, (), ())
    names = [str(number) for number in known]
    return _Numbering(classes, tuple(names), (f"labels are not 0 to {len(known) - 1}: {_named(names)}",))


def _named(names: Sequence[str]) -> str:
    shown = [f"{number} = {name}" for number, name in enumerate(names[:_MOST_NAMES])]
    return f"classes: {', '.join([*shown, *(['…'] if len(names) > _MOST_NAMES else [])])}"


def _unlabelled(words: WordColumn, numbers: list[int], nodes: int) -> list[str]:
    """Sentences about the nodes that have no label, and by which words."""
    counts = np.bincount(words.codes, minlength=len(words.distinct))
    said = Counter(
        {word: int(counts[place]) for place, word in enumerate(words.distinct) if numbers[place] < 0 and counts[place]}
    )
    absent = nodes - len(words)
    if not (total := sum(said.values()) + absent):
        return []
    parts = [f"{count:,} {repr(word) if word else 'empty'}" for word, count in said.most_common()]
    parts += [f"{absent:,} without a row"] if absent else []
    names = [word for word in said if word.isalpha() and word.casefold() != "nan"]
    hint = f"; if {names[0]!r} is a class, call it something else" if names else ""
    if max(numbers) == 0 and (minus := next((word for word in said if plain_number(word) == -1), "")):
        hint = f"; if {minus} is a class beside the only other, write 0 for it"
    return [f"unlabelled: {total:,} of {nodes:,} nodes ({', '.join(parts)}){hint}"]
