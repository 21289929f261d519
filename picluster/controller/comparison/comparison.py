"""Several runs side by side: those that learnt the same, but for their seeds, make a row."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import replace
from math import sqrt
from pathlib import Path
from statistics import fmean, stdev
from typing import TYPE_CHECKING

import msgspec

from picluster.controller.comparison.compared_run import Entry, Kind, read_entry
from picluster.controller.comparison.incomparable import incomparable, tested_alike
from picluster.controller.comparison.notes import all_notes, all_unlike, same_bits
from picluster.controller.comparison.paired import difference_words, differences
from picluster.controller.record.all_runs import find_run
from picluster.controller.record.report import history
from picluster.controller.record.run_folder import RunFolder
from picluster.errors import PiclusterError
from picluster.project import RUNS
from picluster.schema.comparison import ComparedPretraining, ComparedRow, Comparison, NodePeak, Spread

if TYPE_CHECKING:
    from picluster.schema.comparison import ComparedRun

_LAST_NAMED = {"graph", "split", "embedding-of", "model-file", "processor", "torch"}
"""Traits that tell little by themselves: named only where no other tells rows apart."""
_MOST_NAMED = 4


def compare_named(names: Sequence[str], root: Path = RUNS) -> Comparison:
    """Compare runs by name. PiclusterError where one of them is not there or cannot be read."""
    folders = {folder.path.resolve(): folder for folder in (find_run(name, root) for name in names)}
    return compare([read_entry(folder) for folder in folders.values()])


def compare_all(tag: str | None = None, root: Path = RUNS) -> Comparison:
    """Compare the readable runs below `root`, or those with this tag; pre-training is no row. InputError if none."""
    entries, unreadable = [], []
    for run in history(tag, root).runs:
        try:
            entries.append(read_entry(RunFolder(root / run.run)))
        except PiclusterError:
            unreadable.append(run.run)
    before = {entry.run.pretraining for entry in entries}
    found = compare([entry for entry in entries if entry.run.run not in before], tag=tag or "")
    if not unreadable:
        return found
    note = f"Left out, because they cannot be read: {', '.join(sorted(unreadable))}."
    return msgspec.structs.replace(found, notes=(*found.notes, note))


def compare(entries: Iterable[Entry], *, tag: str = "") -> Comparison:
    """Compare entries."""
    grouped = _grouped(sorted(entries, key=lambda entry: entry.run.started))
    kinds, groups = list(grouped), list(grouped.values())
    rows = tuple(
        _row(number, kind, group, _difference(kind, kinds))
        for number, (kind, group) in enumerate(grouped.items(), start=1)
    )
    unlike, alike = all_unlike(kinds, groups), tested_alike(groups)
    apart = tuple(differences(rows, alike))
    return Comparison(
        tag=tag,
        rows=rows,
        same_bits=same_bits(rows),
        unlike=unlike,
        tested_alike=alike,
        incomparable=incomparable(rows, alike, unlike),
        differences=apart,
        notes=(*all_notes(rows, kinds), *map(difference_words, apart)),
    )


def _grouped(entries: Sequence[Entry]) -> dict[Kind, list[Entry]]:
    """Entries by row. A run whose workers never got ready knows no machines: it joins those alike in all else."""
    known = {replace(entry.kind, machines=()): entry.kind for entry in reversed(entries) if entry.kind.machines}
    groups: dict[Kind, list[Entry]] = {}
    for entry in entries:
        kind = entry.kind if entry.kind.machines else known.get(entry.kind, entry.kind)
        groups.setdefault(kind, []).append(entry)
    return groups


def _row(number: int, kind: Kind, entries: Sequence[Entry], difference: str) -> ComparedRow:
    runs = tuple(entry.run for entry in entries)
    finished = [run for run in runs if run.status == "finished"]
    cores = kind.traits.get("cores", "")
    return ComparedRow(
        number=number,
        model=kind.model,
        dataset=kind.dataset,
        strategy=kind.strategy,
        engine=kind.engine,
        nodes=kind.nodes,
        cores=int(cores) if cores.isdecimal() else None,
        difference=difference,
        finished=len(finished),
        runs=runs,
        test_accuracy=_spread(finished, lambda run: run.test_accuracy),
        validation_accuracy=_spread(finished, lambda run: run.validation_accuracy),
        train_accuracy=_spread(finished, lambda run: run.train_accuracy),
        loss=_spread(finished, lambda run: run.loss),
        seconds=_spread(finished, lambda run: run.seconds),
        step_ms=_spread(finished, lambda run: run.step_ms),
        sent_bytes_per_step=_spread(finished, lambda run: run.sent_bytes_per_step),
        sent_payload_bytes_per_step=_spread(finished, lambda run: run.sent_payload_bytes_per_step),
        joules_to_best=_spread(finished, lambda run: run.joules_to_best),
        memory=_most(finished),
        pretraining=_pretraining(kind, entries),
    )


def _spread(runs: Sequence[ComparedRun], measure: Callable[[ComparedRun], float | None]) -> Spread | None:
    values = [value for value in map(measure, runs) if value is not None]
    if not values:
        return None
    deviation = stdev(values) if len(values) > 1 else None
    return Spread(
        count=len(values),
        mean=fmean(values),
        standard_deviation=deviation,
        standard_error=None if deviation is None else deviation / sqrt(len(values)),
    )


def _most(runs: Sequence[ComparedRun]) -> tuple[NodePeak, ...]:
    """Peaks of each node over several runs, in the order of the plan: in other runs nodes may have other names."""
    whole = [run.memory for run in runs if run.memory and len(run.memory) == len(runs[0].memory)]
    return tuple(
        NodePeak(node=peaks[0].node, anonymous_bytes=max(peak.anonymous_bytes for peak in peaks))
        for peaks in zip(*whole, strict=True)
    )


def _pretraining(kind: Kind, entries: Sequence[Entry]) -> ComparedPretraining | None:
    """Pre-training of a row: the one that ran in the way of its own runs; else the first that any of them took."""
    named = {entry.run.pretraining: entry.place for entry in entries if entry.run.pretraining}
    found = []
    for name, place in named.items():
        with suppress(PiclusterError):
            found.append(read_entry(RunFolder((place or RUNS) / name)))
    alike = [entry for entry in found if _way(entry.kind) == _way(kind)]
    chosen = next(iter((*alike, *found)), None)
    if chosen is not None and chosen.run.run:
        return ComparedPretraining(run=chosen.run.run, seconds=chosen.run.seconds)
    return ComparedPretraining(run=next(iter(named)), seconds=None) if named else None


def _way(kind: Kind) -> tuple[str, str, int]:
    return kind.strategy, kind.engine, kind.nodes


def _difference(kind: Kind, kinds: Sequence[Kind]) -> str:
    """Few words that tell a row from rows whose columns are the same, and from others of its model."""
    own, recipe = kind.traits, {name for name, _ in kind.learnt} - _LAST_NAMED
    related = [other for other in kinds if (other.model, other.dataset) == (kind.model, kind.dataset)]
    look = (*_way(kind), own.get("cores"))
    alike = [other for other in related if (*_way(other), other.traits.get("cores")) == look]
    apart = [name for name in own if any(other.traits.get(name) != own[name] for other in alike)]
    apart = [name for name in apart if name not in _LAST_NAMED] or apart
    unlike = {name for name in recipe if any(other.traits.get(name) not in (None, own[name]) for other in related)}
    names = [name for name in own if name in unlike or name in apart]
    rest = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
    return " ".join(f"{name}={own[name]}" for name in names[:_MOST_NAMED]) + rest
