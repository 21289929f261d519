"""Columns that a person leaves out: `--skip weight`, `--skip 3`, `--skip edges:weight`."""

import shlex
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from picluster.errors import InputError


class FileColumns(NamedTuple):
    """The columns of one of the files."""

    width: int
    names: tuple[str, ...]
    """None where there is no head."""
    spare: bool = False
    """There are more columns than such a file has, so that some must be left out."""


def skipped_columns(words: Sequence[str], files: Mapping[str, FileColumns]) -> dict[str, frozenset[int]]:
    """The places that each file leaves out. InputError where a word is no column, or a column of several files."""
    found: dict[str, set[int]] = {role: set() for role in files}
    for word in words:
        role, colon, column = word.partition(":")
        among = {role: files[role]} if colon and role in files else files
        name = column if colon and role in files else word
        places = {of: place for of, columns in among.items() if (place := _place(name, columns)) is not None}
        if not places:
            told = [
                f"{of} has {', '.join(names) or f'columns 1 to {width}'}" for of, (width, names, _) in files.items()
            ]
            raise InputError(f"--skip {word}: there is no such column", fix="; ".join(told))
        if len(places) > 1 and len(needed := [of for of in places if files[of].spare]) == 1:
            places = {of: place for of, place in places.items() if of in needed}
        if len(places) > 1:
            fix = " or ".join(f"--skip {of}:{name}" for of in places)
            raise InputError(f"--skip {word}: {' and '.join(places)} have such a column", fix=f"say which: {fix}")
        for of, place in places.items():
            found[of].add(place)
    return {role: frozenset(places) for role, places in found.items()}


def skip_notes(skipped: Mapping[str, frozenset[int]], files: Mapping[str, FileColumns]) -> list[str]:
    """Sentences on the columns that are left out."""
    notes = []
    for role, places in skipped.items():
        for place in sorted(places):
            name = files[role].names[place] if place < len(files[role].names) else ""
            notes.append(f"{role}: column {place + 1}{f' ({name})' if name else ''} is left out")
    return notes


def skip_option(role: str, place: int, files: Mapping[str, FileColumns]) -> str:
    """The option to type to leave out a column."""
    names = files[role].names
    named = names[place] if place < len(names) else ""
    word = named if names.count(named) == 1 and named else str(place + 1)
    others = not files[role].spare and any(
        _place(word, columns) is not None for of, columns in files.items() if of != role
    )
    return f"--skip {shlex.quote(f'{role}:{word}' if others else word)}"


def _place(name: str, columns: FileColumns) -> int | None:
    if columns.names.count(name) == 1:
        return columns.names.index(name)
    number = int(name) if name.isascii() and name.isdecimal() else 0
    return number - 1 if 0 < number <= columns.width else None
