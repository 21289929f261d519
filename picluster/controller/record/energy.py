"""Energy of a run, from the readings of its nodes' meters; without a figure where a node has no meter."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from picluster.schema.events import Recorded, Resources

if TYPE_CHECKING:
    from picluster.schema.report import Report

Series = tuple[tuple[float, float], ...]
"""Times in seconds since 1970, and joules until then."""
_ANY_TIME = (-np.inf, np.inf)


@dataclass(frozen=True)
class Energy:
    """Energy over time, node by node."""

    series: Mapping[str, Series]
    """Readings of each node that told any, with or without energy."""
    meters: Mapping[str, str]
    """Name of each node's meter."""

    def of(self, node: str) -> float | None:
        """Joules of a node over all of its readings."""
        found = self.series.get(node)
        return _between(found, *_ANY_TIME) if found else None

    def between(self, begin: float, end: float) -> float | None:
        """Joules of all nodes between two moments; a meter that several share counts once, where it saw the most."""
        if not self.series or not all(self.series.values()):
            return None
        found: dict[str, Series] = {}
        for node, series in self.series.items():
            meter = self.meters[node]
            which = meter if meter.startswith("rapl") else node
            found[which] = max(found.get(which, ()), series, key=len)
        return sum(_between(series, begin, end) for series in found.values())


def read_energy(told: Mapping[str, Sequence[Recorded]]) -> Energy:
    """Energy of a run by everything that its nodes told: what was made again was paid for, too."""
    readings = {node: [each for each in lines if isinstance(each.event, Resources)] for node, lines in told.items()}
    return Energy(
        series={node: series if len(series := _series(lines)) > 1 else () for node, lines in readings.items() if lines},
        meters={node: meter for node, lines in readings.items() if (meter := _meter(lines))},
    )


def energy_words(report: Report) -> str:
    """Energy in words, such as `120 J, 40 J an epoch, 80 J to the best epoch`; empty where no node has a meter."""
    if report.joules is None:
        known = [f"{node.name} {node.joules:,.0f} J" for node in report.nodes if node.joules is not None]
        lacking = [node.name for node in report.nodes if node.joules is None]
        return f"{', '.join(known)}; without a meter: {', '.join(lacking)}" if known and lacking else ", ".join(known)
    words = [f"{report.joules:,.0f} J"]
    epochs = [epoch.joules for epoch in report.epochs if epoch.joules is not None]
    if epochs:
        words.append(f"{sum(epochs) / len(epochs):,.1f} J an epoch")
    if report.joules_to_best is not None:
        words.append(f"{report.joules_to_best:,.0f} J to the best epoch")
    return ", ".join(words)


def _series(lines: Sequence[Recorded]) -> Series:
    """Joules over time; in a further attempt a worker counts anew."""
    found, before, last, attempt = [], 0.0, 0.0, 0
    for line in lines:
        if not isinstance(line.event, Resources) or line.event.joules is None:
            continue
        if line.attempt != attempt:
            before, attempt = before + last, line.attempt
        last = line.event.joules
        found.append((line.time, before + last))
    return tuple(found)


def _meter(lines: Sequence[Recorded]) -> str:
    return next((line.event.meter for line in lines if isinstance(line.event, Resources) and line.event.meter), "")


def _between(series: Series, begin: float, end: float) -> float:
    times, joules = zip(*series, strict=True)
    at_begin, at_end = np.interp([begin, end], times, joules)
    return float(at_end - at_begin)
