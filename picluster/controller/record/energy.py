"""Energy of a run, from the readings of its nodes' meters; without a figure where a node has no meter."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from math import inf
from operator import attrgetter
from typing import TYPE_CHECKING, NamedTuple

from picluster.schema.events import Recorded, Resources

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from picluster.schema.report import Report

_ANY_TIME = (-inf, inf)


class MeterReadings(NamedTuple):
    """Readings of one meter."""

    times: NDArray[np.float64]
    """(n,) Seconds since 1970."""
    joules: NDArray[np.float64]
    """(n,) Energy until then."""

    @property
    def measures(self) -> bool:
        """True where there is energy between two readings: one alone measures nothing."""
        return len(self.times) > 1


@dataclass(frozen=True)
class Energy:
    """Energy over time, node by node."""

    series: Mapping[str, MeterReadings]
    """Readings of each node that told any, with or without energy."""
    meters: Mapping[str, str]
    """Name of each node's meter."""
    by_meter: Mapping[str, MeterReadings]
    """Readings of each meter; of one that nodes share, in each attempt those of the node that told the most."""

    def of(self, node: str) -> float | None:
        """Joules of a node over all of its readings."""
        found = self.series.get(node)
        return _between(found, *_ANY_TIME) if found and found.measures else None

    def between(self, begin: float, end: float) -> float | None:
        """Joules of all nodes between two moments; a meter that several share counts once."""
        if not self.series or not all(series.measures for series in self.series.values()):
            return None
        return sum(_between(series, begin, end) for series in self.by_meter.values())


def read_energy(told: Mapping[str, Sequence[Recorded]]) -> Energy:
    """Energy of a run by everything that its nodes told: what was made again was paid for, too."""
    readings = {node: [each for each in lines if isinstance(each.event, Resources)] for node, lines in told.items()}
    meters = {node: meter for node, lines in readings.items() if (meter := _meter(lines))}
    by_meter: dict[str, dict[int, list[Recorded]]] = {}
    for node, meter in meters.items():
        of_meter = by_meter.setdefault(meter if meter.startswith("rapl") else node, {})
        for attempt, lines in groupby(readings[node], key=attrgetter("attempt")):
            of_meter[attempt] = max(of_meter.get(attempt, []), list(lines), key=len)
    return Energy(
        series={node: _series(lines) for node, lines in readings.items() if lines},
        meters=meters,
        by_meter={
            meter: _series([line for _, lines in sorted(found.items()) for line in lines])
            for meter, found in by_meter.items()
        },
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


def _series(lines: Sequence[Recorded]) -> MeterReadings:
    """Joules over time; in a further attempt a worker counts anew."""
    import numpy as np  # not by whoever only prints energies: it takes a tenth of a second

    found, before, last, attempt = [], 0.0, 0.0, 0
    for line in lines:
        if not isinstance(line.event, Resources) or line.event.joules is None:
            continue
        if line.attempt != attempt:
            before, attempt = before + last, line.attempt
        last = line.event.joules
        found.append((line.time, before + last))
    return MeterReadings(*np.array(found, np.float64).reshape(-1, 2).T)


def _meter(lines: Sequence[Recorded]) -> str:
    return next((line.event.meter for line in lines if isinstance(line.event, Resources) and line.event.meter), "")


def _between(series: MeterReadings, begin: float, end: float) -> float:
    import numpy as np

    at_begin, at_end = np.interp([begin, end], series.times, series.joules)
    return float(at_end - at_begin)
