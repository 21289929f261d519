"""Recovery from a failure: whether a run can go on after it, without which nodes, and under which plan. Pure."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import msgspec

from picluster.controller.planning.planner import machine_of
from picluster.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Collection

    from picluster.controller.running.placement import Placement
    from picluster.controller.running.task import Task
    from picluster.schema.plan import Plan
    from picluster.schema.run import Failure

GOING_ON_HELPS = ("killed", "out-of-memory", "unreachable", "silent", "frozen", "ended", "disk")
"""Kinds of failure that come from a node, and not from what is learnt: they need not come again."""
_OF_GOOD = ("out-of-memory", "ended", "disk")
"""Kinds that would come again on the same node."""
_FOR_ONCE = ("unreachable", "silent")
"""Kinds after which the next attempt does not wait for the node; a later one asks it again."""


class Losses:
    """The nodes that are left out of the next attempts of one run."""

    def __init__(self) -> None:
        self._for_good: set[str] = set()
        self._killed: dict[str, int] = {}
        self.lost: frozenset[str] = frozenset()
        """Names in the plan, such as pi1, or pi1.2 for a replica on it."""

    def hear(self, failure: Failure, refused: Collection[str], *, made_progress: bool) -> None:
        """Take account of a failure, and of the nodes that could not be used for an attempt.

        `made_progress`: the run has come further since the failure before.
        """
        self.lost = frozenset({*self._for_good, *refused})
        node = failure.node
        if made_progress:
            self._killed.clear()
        if node is None:
            return
        self._killed[node] = self._killed.get(node, 0) + (failure.kind == "killed")
        if failure.kind in _OF_GOOD or self._killed[node] > 1:
            self._for_good.add(node)
        self.lost |= self._for_good | ({node} if failure.kind in _FOR_ONCE else set())


def can_go_on(failure: Failure, restarts_left: int) -> bool:
    """True where another attempt is worth it; one after a pause of the controller itself is no restart."""
    return failure.kind == "paused" or (failure.kind in GOING_ON_HELPS and restarts_left > 0)


def plan_for(plan: Plan, placement: Placement, task: Task) -> tuple[Plan, Placement] | None:
    """The same plan where all its nodes are left, else another; None where these nodes cannot make the run.

    `placement` has the nodes that are left. A split into more stages than there are nodes gives way to one into fewer.
    """
    names = [node.name for node in placement.nodes]
    if all(machine_of(node, names) for node in plan.nodes):
        return plan, placement
    if not names:
        return None
    asked = msgspec.structs.replace(placement.request, plan=None, strategy=plan.strategy, engine=plan.engine)
    for layers_per_node in dict.fromkeys((asked.layers_per_node, None)):
        request = msgspec.structs.replace(asked, layers_per_node=layers_per_node)
        other = replace(placement, request=request, given_plan=None)
        try:
            return other.plan(task), other
        except InputError:
            continue
    return None
