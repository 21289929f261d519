"""Metrics of a run, its nodes' steps and resources: read once, for all that is made of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import msgspec

from picluster.controller.record.record_files import counted_once
from picluster.controller.record.run_folder import RunFolder
from picluster.schema.events import Recorded, StepDone
from picluster.schema.plan import Plan


class Metrics(NamedTuple):
    """Lines of each node, in order."""

    told: Mapping[str, Sequence[Recorded]]
    """Everything that a node told, with what later attempts made again."""
    counted: Mapping[str, Sequence[Recorded]]
    """Those of them that count: each step once."""
    latest: Mapping[str, Sequence[Recorded]]
    """Those that count and were told since the run's newest plan holds."""


def read_metrics(folder: RunFolder) -> Metrics:
    """Read the metrics of the newest plan's nodes, and of all others that took part in the run."""
    attempts = folder.attempts()
    plans = {1: folder.first_plan(), **{each.attempt: each.plan for each in attempts}}
    nodes = dict.fromkeys([*plans[max(plans)].nodes, *folder.node_names()])
    told = {node: list(folder.all_metrics(node)) for node in nodes}
    counted = {node: list(counted_once(lines, attempts)) for node, lines in told.items()}
    since, latest = _newest_plan_since(plans), counted
    if since > 1:
        latest = {node: [line for line in lines if line.attempt >= since] for node, lines in counted.items()}
    return Metrics(told, counted, latest)


def settled(lines: Sequence[Recorded]) -> list[StepDone]:
    """Steps without the first of each attempt, which pays for first touches of memory and files.

    All of them, where there are no others.
    """
    steps = [(each.attempt, each.event) for each in lines if isinstance(each.event, StepDone)]
    before = [attempt for attempt, _ in steps]
    later = [step for (attempt, step), last in zip(steps[1:], before, strict=False) if attempt == last]
    return later or [step for _, step in steps]


def _newest_plan_since(plans: Mapping[int, Plan]) -> int:
    """Number of the attempt from which on the newest plan holds; what its nodes were expected to take may differ."""
    alike = [msgspec.structs.replace(plan, memory={}) for plan in plans.values()]
    others = [attempt for attempt, plan in zip(plans, alike, strict=True) if plan != alike[-1]]
    return max(others, default=0) + 1
