"""The nodes of a plan: reached, looked at and found fit before anything starts."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from picluster.controller.nodes.data_plane import data_planes
from picluster.controller.nodes.fan_out import NodesFailed, all_or_none
from picluster.controller.nodes.fitness import Busy, notes, without_engine
from picluster.controller.nodes.reaching import enter_all, leave_all, look_all
from picluster.controller.nodes.shipping import files_of, state_of
from picluster.graph.folder import DTYPES
from picluster.schema.facts import NodeFacts

if TYPE_CHECKING:
    from picluster.controller.nodes.machine import Machine
    from picluster.schema.plan import Plan

WAIT_SECONDS = 2.0
"""Between two looks at a node that is busy."""


@contextmanager
def reached(
    machines: Mapping[str, Machine],
    plan: Plan,
    graph: Path,
    note: Callable[[str, str], None],
    *,
    silence_seconds: float,
    waits: bool = False,
) -> Iterator[dict[str, Machine]]:
    """Connect to the nodes of a plan, and let go of them at the end.

    Args:
        machines: of the plan's nodes.
        plan: what they are to do.
        graph: the graph folder.
        note: told of what works, and should be known nevertheless; and of nodes that it waits for.
        silence_seconds: a connection over which nothing is acknowledged for so long breaks.
        waits: wait for nodes that are busy; else that is an error.

    Raises:
        NodesFailed: some cannot be used; nothing was started anywhere.
    """
    try:
        all_or_none(enter_all(machines, silence_seconds))
        seen = _find_fit(machines, plan, graph, note if waits else None)
        lacking = {name: without_engine(each.packages, plan.engine) for name, each in seen.items()}
        if errors := {name: error for name, error in lacking.items() if error}:
            raise NodesFailed(errors)
        for name, (address, interface) in all_or_none(data_planes(machines, seen)).items():
            machines[name].address, machines[name].interface = address, interface
        for text in notes(seen):
            note("note", text)
        yield {name: machines[name] for name in plan.nodes}
    finally:
        leave_all(machines)


def _find_fit(
    machines: Mapping[str, Machine], plan: Plan, graph: Path, wait: Callable[[str, str], None] | None
) -> dict[str, NodeFacts]:
    """Facts of the nodes, when all of them are fit."""

    def wanted(name: str) -> dict[str, list[int]]:
        return state_of(files_of(graph, plan.arrays_of(name)))

    sizes = {file.name: file.stat().st_size for file in files_of(graph, DTYPES)}
    told = ""
    while True:
        seen = all_or_none(look_all(machines, graph.name, wanted))
        reasons = {name: machines[name].unfit(each, sizes) for name, each in seen.items()}
        errors = {name: reason for name, reason in reasons.items() if reason}
        if not errors:
            return seen
        if wait is None or not all(isinstance(error, Busy) for error in errors.values()):
            raise NodesFailed(errors)
        if (reason := "; ".join(f"{name} is {error.what}" for name, error in errors.items())) != told:
            wait("waiting", told := reason)
        time.sleep(WAIT_SECONDS)
