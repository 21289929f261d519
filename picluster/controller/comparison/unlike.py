"""Settings that rows of a comparison do not share, beside their columns: recipe, data, seeds, versions. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import msgspec

from picluster.controller.comparison.row_words import numbers, spans
from picluster.schema.comparison import Unlike
from picluster.schema.spec import Adam, Spec

if TYPE_CHECKING:
    from picluster.controller.comparison.compared_run import Entry, Kind
    from picluster.schema.comparison import ComparedRow

_RECIPE = {
    "depth",
    *(field.name.replace("_", "-") for kind in (Spec, Adam) for field in msgspec.structs.fields(kind)),
}
"""Settings that mean the same whatever the model; a model's own options are compared with its own only."""
_DATA = {"graph", "split", "features", "embedding-of"}
"""Settings that are compared within one data set only: that another has other ones goes without saying."""
_FIRST = ("epochs", "learning-rate", "batch-size", "fanout", "patience", "monitor", "validation", "test")


def all_unlike(kinds: Sequence[Kind], groups: Sequence[Sequence[Entry]]) -> tuple[Unlike, ...]:
    """Settings that differ between rows, the weightiest first; `groups` are the runs of each row."""
    settings = [_settings(kind, group) for kind, group in zip(kinds, groups, strict=True)]
    names = dict.fromkeys((*_FIRST, *(name for each in settings for name in each)))
    found = (Unlike(setting=name, values=tuple(each.get(name, "") for each in settings)) for name in names)
    unlike = [each for each in found if _differs(each, kinds)]
    planned = any(each.setting == "epochs" for each in unlike)
    return tuple(each for each in unlike if not (planned and each.setting == "epochs done"))


def tested_alike(groups: Sequence[Sequence[Entry]]) -> tuple[tuple[int, ...], ...]:
    """Numbers of the rows whose accuracies are of the same labels of the same nodes, group by group."""
    found: dict[str, list[int]] = {}
    for number, group in enumerate(groups, start=1):
        if tested := next((entry.tested for entry in group if entry.tested), ""):
            found.setdefault(tested, []).append(number)
    return tuple(tuple(rows) for rows in found.values())


def unlike_words(each: Unlike) -> str:
    """Setting and values in words, such as `epochs: 3 (row 1), 1 (rows 2–4)`."""
    rows: dict[str, list[int]] = {}
    for number, value in enumerate(each.values, start=1):
        if value:
            rows.setdefault(value, []).append(number)
    return f"{each.setting}: " + ", ".join(f"{value} ({numbers(held)})" for value, held in rows.items())


def incomparable_words(rows: Sequence[ComparedRow], alike: Sequence[Sequence[int]]) -> str:
    """Reason why accuracies of some rows cannot be compared with those of others; empty where all can."""
    if len(alike) <= 1:
        return ""
    held = [f"{numbers(group)} ({rows[group[0] - 1].dataset})" for group in alike]
    return f"not comparable: {', '.join(held[:-1])} and {held[-1]} were tested on other nodes or labels"


def _settings(kind: Kind, entries: Sequence[Entry]) -> dict[str, str]:
    """Settings of a row by name, without those that it does not know."""
    finished = [entry.run for entry in entries if entry.run.status == "finished"]
    learnt = {name: value for name, value in kind.learnt if name != "row"}
    done = sorted({run.epochs for run in finished})
    found = {
        **learnt,
        **{name: value for name, value in kind.machines if name != "threads"},
        "seeds": spans(sorted({run.seed for run in finished})),
        "splits": spans(sorted({run.split for run in finished})) if kind.has_splits else "",
        "epochs done": "–".join(map(str, dict.fromkeys((done[0], done[-1])))) if done else "",
        "picluster": " + ".join(sorted({entry.version for entry in entries if entry.version})),
    }
    return {name: value for name, value in found.items() if value}


def _differs(each: Unlike, kinds: Sequence[Kind]) -> bool:
    known: dict[str, set[str]] = {}
    for kind, value in zip(kinds, each.values, strict=True):
        if value:
            known.setdefault(_scope(each.setting, kind), set()).add(value)
    return any(len(values) > 1 for values in known.values())


def _scope(setting: str, kind: Kind) -> str:
    """Scope of a setting: only rows of one scope are compared in it."""
    own = dict(kind.learnt)
    if setting in _DATA:
        return f"{kind.dataset} {kind.model if 'embedding-of' in own else ''}"
    return kind.model if setting in own and setting not in _RECIPE else ""
