"""A run from its first attempt to its last: after a fault it goes on from its newest state, on the nodes left."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, NoReturn

import msgspec

from picluster.controller.nodes.fan_out import NodesFailed
from picluster.controller.nodes.inventory import remote_nodes
from picluster.controller.nodes.reaching import NodeSurvey
from picluster.controller.planning.planner import machine_of
from picluster.controller.record.leader import this_controller
from picluster.controller.record.report import error_of, going_on, stopped
from picluster.controller.running.detection.diagnosis import own_failure
from picluster.controller.running.recovery import GOING_ON_HELPS, Losses, can_go_on, plan_for
from picluster.controller.running.training import TakeUp, begin_run, make_run
from picluster.errors import DataError, PiclusterError, Stopped
from picluster.schema.events import Ready
from picluster.schema.facts import mixed_numerics
from picluster.schema.run import Failure, Result, Resumption
from picluster.schema.state import Beginning

if TYPE_CHECKING:
    from picluster.controller.record.run_folder import RunFolder
    from picluster.controller.running.observer import Observer
    from picluster.controller.running.placement import Placement
    from picluster.controller.running.task import Task
    from picluster.schema.events import Status
    from picluster.schema.plan import Plan

MOST_RESTARTS = 3
"""Restarts of a run that has nodes other than this machine, unless the person wants another number."""


def train(
    task: Task, plan: Plan, placement: Placement, observer: Observer, earlier: RunFolder | None = None
) -> RunFolder:
    """Train in a run folder of its own, or go on with an `earlier` run in the folder of that.

    NodesFailed where some nodes cannot be used, and nothing has begun; Stopped by a signal that asks to end; RunFailed,
    which says which node failed, why, and where its log is.
    """
    course = _Course(task, placement, observer, earlier)
    with course.recorded():
        if earlier is not None:
            result = earlier.result()
            course.take_up(plan, after=result.failure if result else None)
        while (failure := course.attempt(plan)) is not None:
            plan = course.plan_after(failure, plan)
    course.folder.drop_states()
    return course.folder


class _Course:
    """The attempts of one run."""

    def __init__(self, task: Task, placement: Placement, observer: Observer, folder: RunFolder | None) -> None:
        self._task, self._placement, self._observer, self._folder = task, placement, observer, folder
        self._here = placement
        """The placement of the next attempt, on the nodes that are left."""
        self._begin, self._attempt, self._restarts = Beginning(), 1, 0
        self._losses, self._refused = Losses(), frozenset[str]()
        asked, is_remote = placement.request.max_restarts, bool(remote_nodes(placement.nodes))
        self._most_restarts = asked if asked is not None else MOST_RESTARTS if is_remote else 0

    def _date(self) -> float:
        return self._placement.means.system.date()

    @property
    def folder(self) -> RunFolder:
        """The run folder, once there is one."""
        assert self._folder is not None
        return self._folder

    def attempt(self, plan: Plan) -> Failure | None:
        """Make one attempt; returns the failure that ended it, None where the run has finished.

        NodesFailed where nodes cannot be used, and the run has not begun.
        """
        task, known = self._task, self._folder
        begin = partial(self._begin_folder, plan)
        take_up = TakeUp(attempt=self._attempt, begin=self._begin, goes_on=self._goes_on_after)
        try:
            result = make_run(task.spec, task.graph, plan, self._here, self._observer, begin, take_up=take_up)
        except NodesFailed as error:
            if known is None:
                raise
            self._refused = frozenset(error.errors)
            node, why = next(iter(error.errors.items()))
            layers, role = (plan.layers_of(node), plan.role_of(node)) if node in plan.nodes else ((), "")
            return Failure(
                node=node, layers=layers, role=role, cause=why.what, fix=why.fix, log=None, kind="unreachable"
            )
        return result.failure

    def _begin_folder(self, plan: Plan) -> RunFolder:
        """The run's folder; it is known as soon as it is there, as somebody may stop the run at any moment."""
        self._folder = self._folder or begin_run(self._task, plan, self._placement.request)
        return self._folder

    def plan_after(self, failure: Failure, plan: Plan) -> Plan:
        """Plan the next attempt, on the nodes that answer now. RunFailed where there is none."""
        if not self._goes_on_after(failure):
            self._give_up(failure)
        self._restarts += failure.kind != "paused"
        begin = self.folder.states.newest(lambda text: self._observer.note("note", text))
        self._losses.hear(failure, self._refused, made_progress=begin.position != self._begin.position)
        self._refused = frozenset()
        found = self._plan_on_those_left(plan)
        if found is None:
            self._give_up(failure, ", and the nodes that are left cannot take over")
        new, self._here = found
        if new != plan:
            self._observer.planned(new)
        self.take_up(new, after=failure, begin=begin)
        return new

    def _goes_on_after(self, failure: Failure) -> bool:
        return can_go_on(failure, self._most_restarts - self._restarts)

    def _plan_on_those_left(self, plan: Plan) -> tuple[Plan, Placement] | None:
        names = [node.name for node in self._placement.nodes]
        lost = {machine_of(node, names) for node in self._losses.lost}
        survey = NodeSurvey(
            [node for node in self._placement.nodes if node.name not in lost],
            silence_seconds=self._placement.request.grace,
            means=self._placement.means,
        )
        there = [node for node in self._placement.nodes if node.name in survey.facts]
        facts = [survey.facts[node.name] for node in there]
        found = plan_for(plan, replace(self._placement, nodes=there, facts=facts, survey=survey), self._task)
        if found is None:
            survey.close()
        return found

    def take_up(self, plan: Plan, *, after: Failure | None, begin: Beginning | None = None) -> None:
        """Set up another attempt, from the run's newest state, and say so."""
        if begin is None:
            begin = self.folder.states.newest(lambda text: self._observer.note("note", text))
        self._begin = begin
        self._attempt = 1 + max([1, *(each.attempt for each in self.folder.attempts())])
        attempt = Resumption(
            attempt=self._attempt,
            started=self._date(),
            after=after,
            position=begin.position,
            plan=plan,
            controller=this_controller(),
        )
        self.folder.keep_attempt(attempt)
        self._observer.note("going on", attempt.words)
        ready = {each.node: each.event for each in self.folder.events() if isinstance(each.event, Ready)}
        known = {node.name: node.numerics for node in self._here.facts if node.name in plan.nodes}
        if mixed := mixed_numerics({**{name: each.hardware.numerics for name, each in ready.items()}, **known}):
            self._observer.note("note", mixed)

    def _give_up(self, failure: Failure, why: str = "") -> NoReturn:
        """Record the failure as the run's end. RunFailed with what happened, where, and what to do."""
        if failure.kind in GOING_ON_HELPS:
            fix = self._with_a_way_on(failure.fix)
            failure = msgspec.structs.replace(failure, cause=f"{failure.cause}{why}", fix=fix)
        result = Result(status="failed", failure=failure, test_accuracy=None, ended=self._date())
        self.folder.end(result)
        error = error_of(self.folder, result)
        assert error
        raise error

    @contextmanager
    def recorded(self) -> Iterator[None]:
        """Record the end of the run, also where somebody stops it, or something breaks, between two attempts."""
        try:
            yield
        except (KeyboardInterrupt, Stopped) as error:
            by = (error.by if isinstance(error, Stopped) else "") or "Ctrl-C"
            self._record("stopped", stopped_by=by)
            raise (stopped(self._folder, by) if self._folder else Stopped(f"stopped by {by}", by=by)) from error
        except BaseException as error:
            failure = own_failure(error)
            self._record("failed", failure)
            if isinstance(error, PiclusterError) and failure.kind in GOING_ON_HELPS and self._exists:
                error.fix = self._with_a_way_on(error.fix)
            raise

    def _with_a_way_on(self, fix: str) -> str:
        """Advice that ends with how to go on, said once: an error of a run that was given up has it already."""
        way_on = going_on(self.folder)
        return fix if fix.endswith(way_on) else "; ".join(filter(None, [fix, way_on]))

    @property
    def _exists(self) -> bool:
        return self._folder is not None and self._folder.path.is_dir()

    def _record(self, status: Status, failure: Failure | None = None, stopped_by: str = "") -> None:
        """Record an end, unless one is recorded already."""
        if self._exists and not self.folder.result_file.exists():
            with suppress(DataError):  # what happened matters more than that the disk does not take it
                ended = self._date()
                self.folder.end(
                    Result(status=status, failure=failure, test_accuracy=None, ended=ended, stopped_by=stopped_by)
                )
