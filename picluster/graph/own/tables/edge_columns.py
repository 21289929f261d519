"""The columns of an edge list: two hold source and target, and the others must be left out on purpose."""

from collections.abc import Callable
from typing import NamedTuple

from picluster.errors import DataError
from picluster.graph.own.column_names import DOUBTFUL_ENDS, INDEX_NAMES, WEIGHTS, end_of, plain
from picluster.graph.own.sheet import column_name
from picluster.graph.own.words import is_number

_ENDS = 2
_SHOWN = 24


class EdgeColumns(NamedTuple):
    """The columns of an edge list before it is read."""

    place: str
    """The place of its first row, for messages."""
    names: tuple[str, ...]
    width: int
    example: tuple[str, ...]
    """The cells of a row."""
    separator: str
    """The separator in words."""
    counts: Callable[[int], bool] = lambda _: False
    """True for a column that counts the rows: 0, 1, 2 … or 1, 2, 3 …"""


class Ends(NamedTuple):
    """The places of the two ends, with sentences on how they were found."""

    source: int
    target: int
    notes: tuple[str, ...]


def find_ends(edges: EdgeColumns, skipped: frozenset[int], skip: Callable[[int], str], *, directed: bool) -> Ends:
    """The columns of both ends, by their names where they say. DataError, with what to `skip`, where there are more."""
    names = (*edges.names, *[""] * (edges.width - len(edges.names))) if edges.names else ()
    left = [place for place in range(edges.width) if place not in skipped]
    notes = []
    for place in left[:]:
        if len(left) > _ENDS and names and names[place] in INDEX_NAMES:
            left.remove(place)
            notes.append(
                f"edges: column {place + 1} ({names[place] or 'no name'}) numbers the rows, and is passed over"
            )
    if len(left) != _ENDS:
        raise _another_number(edges, names, left, skip)
    first, second = left
    known = [end_of(names[place]) if names else "" for place in left]
    if names and directed and all(plain(names[place]) in DOUBTFUL_ENDS for place in left):
        called = f"{names[first]} and {names[second]}"
        what = f"{edges.place}: columns {called}: to some the head is the source, to others the tail"
        raise DataError(what, fix="call the columns source and target")
    if known[0] == "target" or known[1] == "source":
        if known[0] != known[1]:
            first, second = second, first
            notes.append(
                f"edges: lead from {names[first]} (column {first + 1}) to {names[second]} (column {second + 1})"
            )
    elif names and directed and known != ["source", "target"]:
        notes.append(f"edges: taken to lead from {names[first]!r} to {names[second]!r}: source first, then target")
    return Ends(first, second, tuple(notes))


def _another_number(
    edges: EdgeColumns, names: tuple[str, ...], left: list[int], skip: Callable[[int], str]
) -> DataError:
    count = len(left)
    what = f"{edges.place} has {count} column{'s' * (count != 1)}; edges have 2: source, target"
    if count < _ENDS:
        fix = f"divide source and target by a comma, a tab, a semicolon or blanks (found: {edges.separator})"
        return DataError(what, fix=fix if edges.width < _ENDS else "skip fewer columns")
    by_name = {end_of(names[place]): place for place in reversed(left) if names and end_of(names[place])}
    extra = [place for place in left if place not in by_name.values()] if len(by_name) == _ENDS else left[_ENDS:]
    told = [_told(edges, names, place) for place in extra]
    skips = " ".join(map(skip, extra))
    fix = f"leave {'it' if len(extra) == 1 else 'them'} out on purpose: {skips}"
    if not names and edges.counts(left[0]):
        told.append("column 1 counts the rows")
        fix += f"; or, if column 1 is no node: {skip(left[0])}"
    return DataError(f"{what}; {', '.join(told)}", fix=fix)


def _told(edges: EdgeColumns, names: tuple[str, ...], place: int) -> str:
    name = names[place] if names else ""
    cell = edges.example[place] if place < len(edges.example) else ""
    weight = plain(name) in WEIGHTS or (not name and is_number(cell))
    shown = cell if len(cell) <= _SHOWN else f"{cell[:_SHOWN]}…"
    return f"{column_name(names, place)} holds {shown!r}{': weights of edges are not used yet' * weight}"
