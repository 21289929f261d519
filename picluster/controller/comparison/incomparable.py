"""Reasons why rows of a comparison cannot be compared: other data, other seeds, nodes that were not free. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from picluster.controller.comparison.notes import unlike_words
from picluster.controller.comparison.row_words import numbers

if TYPE_CHECKING:
    from picluster.controller.comparison.compared_run import Entry
    from picluster.schema.comparison import ComparedRow, Unlike

MARK = "!"
"""Stands behind times that are not comparable."""
_HELD_BACK = "held back by the firmware, for heat or for want of voltage"
_SWAPPED = "in swap in part, for want of memory"


def tested_alike(groups: Sequence[Sequence[Entry]]) -> tuple[tuple[int, ...], ...]:
    """Numbers of the rows whose accuracies are of the same labels of the same nodes, group by group."""
    found: dict[str, list[int]] = {}
    for number, group in enumerate(groups, start=1):
        if tested := next((entry.tested for entry in group if entry.tested), ""):
            found.setdefault(tested, []).append(number)
    return tuple(tuple(rows) for rows in found.values())


def incomparable(
    rows: Sequence[ComparedRow], alike: Sequence[Sequence[int]], unlike: Sequence[Unlike]
) -> tuple[str, ...]:
    """Reasons, a line each; `alike` are the rows that were tested alike, `unlike` the settings that differ."""
    return (*_of_data(rows, alike), *_of_draws(unlike), *_of_times(rows))


def has_disturbed_times(row: ComparedRow) -> bool:
    """True where a node of one of its finished runs was held back by its firmware, or was in swap."""
    return any(run.throttled or run.swapped for run in row.finished_runs)


def _of_data(rows: Sequence[ComparedRow], alike: Sequence[Sequence[int]]) -> Iterator[str]:
    if len(alike) > 1:
        held = [f"{numbers(group)} ({rows[group[0] - 1].dataset})" for group in alike]
        yield f"not comparable: {', '.join(held[:-1])} and {held[-1]} were tested on other nodes or labels"


def _of_draws(unlike: Sequence[Unlike]) -> Iterator[str]:
    """Reasons in what was drawn for each run: one seed may be luckier than another by more than rows differ."""
    for each in unlike:
        if each.setting in ("seeds", "splits"):
            yield f"not comparable: other {unlike_words(each)}"


def _of_times(rows: Sequence[ComparedRow]) -> Iterator[str]:
    for row in rows:
        finished = row.finished_runs
        for words, found in (
            (_HELD_BACK, [run.throttled for run in finished if run.throttled]),
            (_SWAPPED, [run.swapped for run in finished if run.swapped]),
        ):
            if nodes := sorted({node for each in found for node in each}):
                often = f" in {len(found)} of {len(finished)} runs" if len(finished) > 1 else ""
                who = f"{', '.join(nodes)} {'was' if len(nodes) == 1 else 'were'}"
                yield f"{MARK} times of row {row.number} are not comparable: {who} {words}{often}"
