"""From measurements to the rows of the table. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from statistics import median

from scripts.bench_reddit.records import GOAL, Measure, Peak, Range, RowSummary
from scripts.bench_reddit.rows import Row
from scripts.bench_reddit.story import seconds_to

BASE = "single"
"""Row that the others' processor time is compared with."""


def summarised(rows: Sequence[Row], measures: Sequence[Measure], missing: Mapping[str, str]) -> tuple[RowSummary, ...]:
    """Sum up each row; `missing` says why a row cannot be measured here."""
    base = {each.repeat: each.cpu_seconds for each in measures if each.row == BASE and each.cpu_seconds}
    return tuple(
        _summary(row, [each for each in measures if each.row == row.name], base, missing.get(row.name, ""))
        for row in rows
    )


def range_of(values: Iterable[float | None]) -> Range | None:
    """Spread of the values; None where there is none, or one is not known."""
    all_values = list(values)
    known = [value for value in all_values if value is not None]
    if not known or len(known) < len(all_values):
        return None
    return Range(median=median(known), least=min(known), most=max(known))


def _summary(row: Row, measures: Sequence[Measure], base: Mapping[int, float], missing: str) -> RowSummary:
    good = [each for each in measures if not each.problem]
    if not good:
        problem = measures[-1].problem if measures else missing or "not measured yet"
        return RowSummary(row=row.name, title=row.title, runs=0, problem=problem)

    return RowSummary(
        row=row.name,
        title=row.title,
        runs=len(good),
        cpu_seconds=range_of(each.cpu_seconds for each in good),
        wall_seconds=range_of(each.wall_seconds for each in good),
        times_single=range_of(
            each.cpu_seconds / base[each.repeat] for each in good if each.cpu_seconds and each.repeat in base
        ),
        sent_bytes=range_of(each.sent_bytes for each in good),
        peaks=_peaks(good),
        test_accuracy=range_of(each.test_accuracy for each in good),
        seconds_to_goal=range_of(seconds_to(GOAL, each.epochs) for each in good),
    )


def _peaks(measures: Sequence[Measure]) -> tuple[Peak, ...]:
    """Largest peaks of each process."""
    found: dict[str, list[Peak]] = {}
    for peak in (peak for each in measures for peak in each.peaks):
        found.setdefault(peak.process, []).append(peak)
    return tuple(
        Peak(
            process=process,
            anonymous_bytes=max(peak.anonymous_bytes for peak in peaks),
            resident_bytes=max(peak.resident_bytes for peak in peaks),
        )
        for process, peaks in found.items()
    )
