"""Metrics of a run, its nodes' steps and resources: read once, for all that is made of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from picluster.controller.record.record_files import counted_once
from picluster.controller.record.run_folder import RunFolder
from picluster.schema.events import Recorded


class Metrics(NamedTuple):
    """Lines of each node, in order."""

    told: Mapping[str, Sequence[Recorded]]
    """Everything that a node told, with what later attempts made again."""
    counted: Mapping[str, Sequence[Recorded]]
    """Those of them that count: each step once."""


def read_metrics(folder: RunFolder) -> Metrics:
    """Read the metrics of the plan's nodes, and of those that took part in an attempt after the first."""
    attempts = folder.attempts()
    nodes = dict.fromkeys([*folder.plan().nodes, *(node for each in attempts for node in each.plan.nodes)])
    told = {node: list(folder.all_metrics(node)) for node in nodes}
    return Metrics(told, {node: list(counted_once(lines, attempts)) for node, lines in told.items()})
