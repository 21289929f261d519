"""Notes on a comparison: settings that rows do not share, which of them learnt the same bits, what failed. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
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


def unlike_words(each: Unlike) -> str:
    """Setting and values in words, such as `epochs: 3 (row 1), 1 (rows 2–4)`."""
    rows: dict[str, list[int]] = {}
    for number, value in enumerate(each.values, start=1):
        if value:
            rows.setdefault(value, []).append(number)
    return f"{each.setting}: " + ", ".join(f"{value} ({numbers(held)})" for value, held in rows.items())


def _settings(kind: Kind, entries: Sequence[Entry]) -> dict[str, str]:
    """Settings of a row by name, without those that it does not know."""
    finished = [entry.run for entry in entries if entry.run.status == "finished"]
    learnt = {name: value for name, value in kind.learnt if name != "row"}
    done = sorted({run.epochs for run in finished})
    found = {
        **learnt,
        **{name: value for name, value in kind.machines if name != "cores"},
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


def all_notes(rows: Sequence[ComparedRow], kinds: Sequence[Kind]) -> tuple[str, ...]:
    """Notes, a line each; `kinds` are those of the rows."""
    return (
        *_of_spread(rows),
        *(
            f"{numbers(group).capitalize()} learnt the same, bit for bit: every loss, and the test accuracy."
            for group in same_bits(rows)
        ),
        *_of_other_bits(rows, kinds),
        *_of_bytes(rows),
        *_of_pretraining(rows),
        *_of_failures(rows),
    )


def same_bits(rows: Sequence[ComparedRow]) -> tuple[tuple[int, ...], ...]:
    """Numbers of rows that share a seed, and learnt the same with all that they share."""
    groups: list[list[ComparedRow]] = []
    for row in rows:
        group = next((group for group in groups if all(_agree(row, other) for other in group)), [])
        if not group:
            groups.append(group)
        group.append(row)
    return tuple(tuple(row.number for row in group) for group in groups if len(group) > 1)


def _of_spread(rows: Sequence[ComparedRow]) -> Iterator[str]:
    counts = {row.finished for row in rows if row.finished}
    if not counts or max(counts) == 1:
        return
    seeds = [len({run.seed for run in row.finished_runs}) == row.finished for row in rows]
    splits = [len({run.split for run in row.finished_runs}) == row.finished for row in rows]
    each = " and ".join(word for word, holds in (("a seed", all(seeds)), ("a split", all(splits))) if holds)
    many = f"the {max(counts)} runs of a row" if len(counts) == 1 else "the finished runs of a row"
    yield f"Mean ± standard deviation of {many}{f', each with {each} of its own' if each else ''}."


def _of_other_bits(rows: Sequence[ComparedRow], kinds: Sequence[Kind]) -> Iterator[str]:
    """Note on rows that were to learn the same, and did not."""
    for place, (row, kind) in enumerate(zip(rows, kinds, strict=True)):
        if any(len(told) > 1 for told in _learnt(row).values()):
            yield f"Row {row.number} has runs of one seed whose losses differ in their bits, which should not be."
        expected = (kind.model, kind.dataset, kind.learnt)
        alike = [at for at in range(place) if (kinds[at].model, kinds[at].dataset, kinds[at].learnt) == expected]
        first = next((at for at in alike if _agree(rows[at], row) is not None), None)
        if first is not None and not _agree(rows[first], row):
            before = dict(kinds[first].machines)
            changed = [(name, value) for name, value in kind.machines if before.get(name, value) != value]
            why = ", ".join(f"{name} {value} instead of {before[name]}" for name, value in changed)
            reason = why or "nothing that is recorded tells why; an earlier picluster made one of them, or it is a bug"
            yield f"Row {row.number} differs from row {rows[first].number} in the bits of its losses: {reason}."


def _of_pretraining(rows: Sequence[ComparedRow]) -> Iterator[str]:
    taken: dict[str, list[ComparedRow]] = {}
    for row in rows:
        if row.pretraining:
            taken.setdefault(row.pretraining.run, []).append(row)
    if not taken:
        return
    yield "Pre-training sees no labels, so all splits share it: it ran once, and stands beside the time of a run."
    for name, takers in taken.items():
        if len(takers) > 1:
            yield f"{numbers([row.number for row in takers]).capitalize()} share the pre-training of {name}."


def _of_failures(rows: Sequence[ComparedRow]) -> Iterator[str]:
    for row in rows:
        problems: dict[str, list[int]] = {}
        for run in row.runs:
            if run.status == "failed":
                problems.setdefault(run.problem, []).append(run.seed)
        for problem, seeds in problems.items():
            seed = f"seed{'' if len(seeds) == 1 else 's'} {', '.join(map(str, seeds))}"
            yield f"Row {row.number} failed with {seed}: {problem.rstrip('.')}."


def sent_below_payload(sent: float | None, payload: float | None) -> bool:
    """True where sockets carried less than the tensors' own bytes: some went another way, or were not counted."""
    return sent is not None and payload is not None and sent < payload


def why_below_payload(engine: str) -> str:
    """Explanation of that, beginning after the names of the rows or nodes that it concerns."""
    if engine == "ray":
        way = "hand tensors on in shared memory, which no socket carries; on a machine each, all of them cross"
        return f"sent less than the payload, because workers of Ray on one machine {way}"
    return "counted less than the payload: some of its connections were not seen, so it sent more than is told"


def _of_bytes(rows: Sequence[ComparedRow]) -> Iterator[str]:
    found: dict[str, list[int]] = {}
    for row in rows:
        sent, payload = row.sent_bytes_per_step, row.sent_payload_bytes_per_step
        if sent and payload and sent_below_payload(sent.mean, payload.mean):
            found.setdefault(why_below_payload(row.engine), []).append(row.number)
    for why, of_rows in found.items():
        yield f"* {numbers(of_rows).capitalize()} {why}."


def _learnt(row: ComparedRow) -> dict[tuple[int, int], set[str]]:
    """Fingerprints of what was learnt, by seed and split: one, unless a run was made again elsewhere."""
    found: dict[tuple[int, int], set[str]] = {}
    for run in row.runs:
        if run.learnt is not None:
            found.setdefault((run.seed, run.split), set()).add(run.learnt)
    return found


def _agree(row: ComparedRow, other: ComparedRow) -> bool | None:
    """True where two rows learnt the same with every seed and split that they share; None where they share none."""
    mine, its = _learnt(row), _learnt(other)
    shared = mine.keys() & its.keys()
    return all(mine[drawn] == its[drawn] and len(mine[drawn]) == 1 for drawn in shared) if shared else None
