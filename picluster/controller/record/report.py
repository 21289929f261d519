"""Report of a run, and history of all: from run folders alone, so that they work on a copy, elsewhere, years later."""

from __future__ import annotations

import os
import shlex
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from math import inf
from pathlib import Path
from statistics import fmean
from typing import TypeVar

import msgspec

from picluster.controller.record.all_runs import every_run
from picluster.controller.record.energy import Energy, read_energy
from picluster.controller.record.leader import is_alive
from picluster.controller.record.metrics import Metrics, read_metrics, settled
from picluster.controller.record.run_folder import RunFolder
from picluster.errors import DataError, InputError, MissingError, PiclusterError, RunFailed, Stopped
from picluster.project import RUNS
from picluster.schema.events import EpochDone, Ready, Recorded, Resources, StepDone
from picluster.schema.plan import Plan
from picluster.schema.report import (
    AttemptReport,
    EpochReport,
    History,
    NodeMemory,
    NodeReport,
    Percentiles,
    Report,
    RunSummary,
)
from picluster.schema.run import Failure, Result, Resumption, Run

Told = TypeVar("Told", StepDone, Resources)

_OWN_KINDS = {kind.exit_code: kind for kind in (PiclusterError, InputError, DataError, MissingError)}
"""Errors of the controller itself, by their exit codes."""


def make_report(folder: RunFolder) -> Report:
    """Read a run folder whole, into a report."""
    return report_of(folder, read_metrics(folder))


def report_of(folder: RunFolder, metrics: Metrics) -> Report:
    """Make a report of a run folder whose metrics have been read."""
    run, plan, result = folder.run(), folder.plan(), result_of(folder)
    events = list(folder.events())
    ready = {each.node: each.event for each in events if isinstance(each.event, Ready)}
    epochs = [each.event for each in events if isinstance(each.event, EpochDone)]
    energy, best = read_energy(metrics.told), best_epoch(epochs)
    best_end = next((e.time for e in events if isinstance(e.event, EpochDone) and e.event.epoch == best), None)
    failure = result.failure
    if failure and failure.log is not None:  # its path from here, wherever the folder lies by now
        failure = msgspec.structs.replace(failure, log=str(folder.path / failure.log))
    steps = settled(metrics.latest[plan.stages[-1].nodes[0]])
    seconds = sum(step.step_ms for step in steps) / 1e3
    return Report(
        run=run.run,
        tag=run.tag,
        status=result.status,
        stopped_by=result.stopped_by,
        failure=failure,
        attempts=_attempts(folder.attempts(), metrics.told),
        dataset=run.spec.dataset,
        class_names=run.graph.class_names,
        model=run.spec.model.name,
        strategy=plan.strategy,
        engine=plan.engine,
        wire=run.spec.wire,
        sampler="all" if run.spec.fanout is None else "uniform",
        validation=run.spec.evaluation("validation"),
        evaluation=run.spec.evaluation("test"),
        seed=run.spec.seed,
        plan=plan,
        environment=folder.environment(),
        epochs=tuple(_epoch(each.event, each.time, energy) for each in events if isinstance(each.event, EpochDone)),
        epochs_planned=run.spec.epochs,
        monitor=run.spec.monitor,
        patience=run.spec.patience,
        stopped_early=result.status == "finished" and len(epochs) < run.spec.epochs,
        best_epoch=best,
        joules=energy.between(-inf, inf),
        joules_to_best=None if best_end is None else energy.between(-inf, best_end),
        test_accuracy=result.test_accuracy,
        steps_per_second=len(steps) / seconds if seconds else None,
        nodes=tuple(_node(node, plan, ready.get(node), metrics.latest[node], energy) for node in plan.nodes),
    )


def _attempts(resumed: Sequence[Resumption], told: Mapping[str, Sequence[Recorded]]) -> tuple[AttemptReport, ...]:
    """Attempts after the first. Their first steps are among all that nodes told, also where these were made again."""
    first_steps: dict[int, float] = {}
    for line in (line for lines in told.values() for line in lines if isinstance(line.event, StepDone)):
        first_steps[line.attempt] = min(line.time, first_steps.get(line.attempt, line.time))
    return tuple(
        AttemptReport(
            attempt=each.attempt,
            started=each.started,
            after=each.after,
            position=each.position,
            plan=each.plan,
            first_step=first_steps.get(each.attempt),
        )
        for each in resumed
    )


def _epoch(done: EpochDone, ended: float, energy: Energy) -> EpochReport:
    found: EpochReport = msgspec.convert(done, EpochReport, from_attributes=True)
    return msgspec.structs.replace(found, joules=energy.between(ended - done.seconds, ended))


def best_epoch(epochs: Sequence[EpochDone]) -> int | None:
    """Number of the last epoch that was the best when it ended; None before the first."""
    return max((done.epoch for done in epochs if done.best), default=None)


def result_of(folder: RunFolder) -> Result:
    """Recorded result, or what its absence means."""
    result = folder.result()
    if result is not None:
        return result
    controller = folder.controller()
    if is_alive(controller):
        return Result(status="running", failure=None, test_accuracy=None, ended=0.0)
    cause = f"there is no result: the controller on {controller.host} was killed, or its machine went down"
    fix = "its workers ended by themselves; launch again"
    failure = Failure(node=None, layers=(), cause=cause, fix=fix, log=None)
    return Result(status="failed", failure=failure, test_accuracy=None, ended=0.0)


def going_on(folder: RunFolder) -> str:
    """Advice to somebody whose run was ended."""
    return f"go on with it: picluster launch --resume {shlex.quote(folder.name)}"


def stopped(folder: RunFolder, by: str) -> Stopped:
    """The error of a run that somebody or something, `by`, has stopped."""
    return Stopped(f"run {folder.name} was stopped by {by or 'somebody'}", fix=going_on(folder), by=by)


def error_of(folder: RunFolder, result: Result) -> PiclusterError | None:
    """The error with which a run ended, as its launch told it; None where it has finished, or goes on."""
    if result.status == "stopped":
        return stopped(folder, result.stopped_by)
    if (failure := result.failure) is None:
        return None
    if kind := _OWN_KINDS.get(failure.exit_code):
        return kind(failure.cause, fix=failure.fix, fault=failure.kind)
    log, end = f"{folder.path}/{failure.log}" if failure.log else "", failure.last_lines
    return RunFailed(
        f"{failure.who} failed: {failure.cause}", fix=failure.fix, log=log, last_lines=end, fault=failure.kind
    )


def _node(
    name: str,
    plan: Plan,
    ready: Ready | None,
    lines: Sequence[Recorded],
    energy: Energy,
) -> NodeReport:
    """Figures of a node, by the lines that it told under this plan."""
    steps = [each.event for each in lines if isinstance(each.event, StepDone)]
    resources = [each.event for each in lines if isinstance(each.event, Resources)]
    later, last, expected = settled(lines), resources[-1] if resources else None, plan.memory.get(name)
    return NodeReport(
        name=name,
        role=plan.role_of(name),
        layers=plan.layers_of(name),
        cores=plan.cores_of(name) if plan.layers_of(name) else None,
        hardware=ready.hardware if ready else None,
        memory=NodeMemory(
            peak_rss_bytes=_peak(each.peak_rss_bytes for each in resources),
            peak_anonymous_bytes=_peak(each.peak_anonymous_bytes for each in resources),
            peak_engine_bytes=_peak(each.peak_engine_bytes or None for each in resources),
            peak_swapped_bytes=_peak(each.swapped_bytes for each in resources),
            limit_bytes=last.limit_bytes if last else expected.limit_bytes if expected else None,
            expected_anonymous_bytes=expected.anonymous_bytes if expected else None,
            expected_mapped_bytes=expected.mapped_bytes if expected else None,
        ),
        throttled_share=_mean(
            [each for each in resources if each.throttled is not None], lambda each: bool(each.throttled)
        ),
        joules=energy.of(name),
        meter=energy.meters.get(name, ""),
        step_ms=_percentiles(later, lambda step: step.step_ms),
        compute_ms=_percentiles(later, lambda step: step.compute_ms),
        wait_ms=_percentiles(later, lambda step: step.wait_ms),
        send_ms=_percentiles(later, lambda step: step.send_ms),
        sent_bytes_per_step=_mean(steps, lambda s: s.sent_payload_bytes if s.sent_bytes is None else s.sent_bytes),
        received_bytes_per_step=_mean(
            steps, lambda s: s.received_payload_bytes if s.received_bytes is None else s.received_bytes
        ),
        sent_payload_bytes_per_step=_mean(steps, lambda step: step.sent_payload_bytes),
        received_payload_bytes_per_step=_mean(steps, lambda step: step.received_payload_bytes),
        sent_payload_to_per_step=_means([step.sent_payload_to for step in steps]),
        sending_ms_to_per_step=_means([step.sending_ms_to for step in steps]),
        disk_reads_per_step=_disk_reads(lines),
    )


def _percentiles(steps: Sequence[StepDone], measure: Callable[[StepDone], float]) -> Percentiles | None:
    """Nearest-rank percentiles."""
    values = sorted(map(measure, steps))
    if not values:
        return None
    p50, p95, p99 = (values[-(-percent * len(values) // 100) - 1] for percent in (50, 95, 99))
    return Percentiles(p50=p50, p95=p95, p99=p99)


def _mean(events: Sequence[Told], measure: Callable[[Told], float]) -> float | None:
    return fmean(map(measure, events)) if events else None


def _means(measured: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Mean of each node's values, where one that is not named counts as 0."""
    names = dict.fromkeys(name for each in measured for name in each)
    return {name: fmean(each.get(name, 0) for each in measured) for name in names}


def _disk_reads(lines: Sequence[Recorded]) -> float | None:
    """Mean of the steps after an attempt's first epoch, in which files are read for the first time; or of all steps."""
    steps = [(each.attempt, each.event) for each in lines if isinstance(each.event, StepDone)]
    first = {attempt: step.epoch for attempt, step in reversed(steps)}
    later = [step for attempt, step in steps if step.epoch > first[attempt]] or settled(lines)
    return _mean([step for step in later if step.disk_reads is not None], lambda step: step.disk_reads or 0)


def _peak(readings: Iterable[int | None]) -> int | None:
    return max((each for each in readings if each is not None), default=None)


def history(tag: str | None = None, root: Path = RUNS) -> History:
    """Summaries of the runs below `root`, or of those with this tag; newest first. InputError where there is none."""
    found = [summary(folder) for folder in every_run(root)]
    if not found:
        raise InputError(f"there are no runs in {root.absolute()}", fix="make one: picluster launch")
    chosen = [run for run in found if tag is None or run.tag == tag]
    if not chosen:
        tags = ", ".join(sorted({run.tag for run in found if run.tag})) or "none"
        raise InputError(f"no run has the tag {tag}", fix=f"the tags are: {tags}")
    return History(runs=tuple(sorted(chosen, key=lambda run: run.started, reverse=True)))


def training_on(dataset: str) -> list[str]:
    """Names of the runs under way that read this graph."""
    names = []
    for folder in every_run(RUNS):
        with suppress(PiclusterError):  # a damaged run folder
            if folder.run().spec.dataset == dataset and result_of(folder).status == "running":
                names.append(folder.name)
    return names


def led_seconds(folder: RunFolder, run: Run, ended: float) -> float:
    """Time from a run's beginning until it `ended`, in seconds, without pauses in which nobody led it."""
    attempts = folder.attempts()
    told = list(folder.all_events()) if attempts else []
    paused, leader = 0.0, run.controller
    for attempt in attempts:
        if attempt.controller != leader:
            left = max((each.time for each in told if each.attempt < attempt.attempt), default=run.started)
            paused += max(0.0, attempt.started - left)
        leader = attempt.controller
    return max(0.0, ended - run.started - paused)


def summary(folder: RunFolder) -> RunSummary:
    """Summary of one run. A damaged folder is listed as such, with what is wrong, and hides no other."""
    try:
        run, plan, result = folder.run(), folder.plan(), result_of(folder)
        epochs = [each.event for each in folder.events() if isinstance(each.event, EpochDone)]
    except PiclusterError as error:
        changed = 0.0
        with suppress(OSError):
            changed = folder.path.stat().st_mtime
        return RunSummary(
            run=folder.name,
            status="unreadable",
            problem=os.fsencode(error.what).decode(errors="replace"),
            started=changed,
        )
    best = best_epoch(epochs)
    ended = result.ended or (time.time() if result.status == "running" else None)
    accuracies = {done.epoch: done.validation_accuracy for done in epochs}
    return RunSummary(
        run=folder.name,
        status=result.status,
        problem=result.failure.cause if result.failure else result.stopped_by and f"stopped by {result.stopped_by}",
        tag=run.tag,
        started=run.started,
        seconds=None if ended is None else led_seconds(folder, run, ended),
        model=run.spec.model.name,
        dataset=run.spec.dataset,
        strategy=plan.strategy,
        engine=plan.engine,
        nodes=len(plan.nodes),
        epochs=len(epochs),
        epochs_planned=run.spec.epochs,
        best_epoch=best,
        best_validation_accuracy=None if best is None else accuracies[best],
        test_accuracy=result.test_accuracy,
    )
