"""Report of a run, from its folder alone: so it works on a copy, elsewhere, years later."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from statistics import fmean

import msgspec

from picluster.controller.record.leader import is_alive
from picluster.controller.record.run_folder import RunFolder
from picluster.schema.events import EpochDone, Ready, Resources, StepDone
from picluster.schema.plan import Plan
from picluster.schema.report import EpochReport, NodeMemory, NodeReport, Percentiles, Report
from picluster.schema.run import Failure, Result


def make_report(folder: RunFolder) -> Report:
    """Read a run folder whole, into a report."""
    run, plan, result = folder.run(), folder.plan(), result_of(folder)
    events = list(folder.events())
    ready = {each.node: each.event for each in events if isinstance(each.event, Ready)}
    epochs = [each.event for each in events if isinstance(each.event, EpochDone)]
    metrics = {node: [each.event for each in folder.metrics(node)] for node in plan.nodes}
    steps = {node: [e for e in found if isinstance(e, StepDone)] for node, found in metrics.items()}
    resources = {node: [e for e in found if isinstance(e, Resources)] for node, found in metrics.items()}
    failure = result.failure
    if failure and failure.log is not None:  # its path from here, wherever the folder lies by now
        failure = msgspec.structs.replace(failure, log=str(folder.path / failure.log))
    settled = _settled(steps[plan.stages[-1].nodes[0]])
    seconds = sum(step.step_ms for step in settled) / 1e3
    return Report(
        run=run.run,
        tag=run.tag,
        status=result.status,
        stopped_by=result.stopped_by,
        failure=failure,
        dataset=run.spec.dataset,
        class_names=run.graph.class_names,
        model=run.spec.model.name,
        strategy=plan.strategy,
        engine=plan.engine,
        wire="fp32",
        sampler="all" if run.spec.fanout is None else "uniform",
        validation=run.spec.evaluation("validation"),
        evaluation=run.spec.evaluation("test"),
        seed=run.spec.seed,
        plan=plan,
        environment=folder.environment(),
        epochs=msgspec.convert(epochs, tuple[EpochReport, ...], from_attributes=True),
        epochs_planned=run.spec.epochs,
        monitor=run.spec.monitor,
        patience=run.spec.patience,
        stopped_early=result.status == "finished" and len(epochs) < run.spec.epochs,
        best_epoch=best_epoch(epochs),
        test_accuracy=result.test_accuracy,
        steps_per_second=len(settled) / seconds if seconds else None,
        nodes=tuple(_node(node, plan, ready.get(node), steps[node], resources[node]) for node in plan.nodes),
    )


def best_epoch(epochs: Sequence[EpochDone]) -> int | None:
    """Number of the last epoch that was the best when it ended; None before the first."""
    return max((done.epoch for done in epochs if done.best), default=None)


def result_of(folder: RunFolder) -> Result:
    """Recorded result, or what its absence means."""
    result = folder.result()
    if result is not None:
        return result
    controller = folder.run().controller
    if is_alive(controller):
        return Result(status="running", failure=None, test_accuracy=None, ended=0.0)
    cause = f"there is no result: the controller on {controller.host} was killed, or its machine went down"
    fix = "its workers ended by themselves; launch again"
    failure = Failure(node=None, layers=(), cause=cause, fix=fix, log=None)
    return Result(status="failed", failure=failure, test_accuracy=None, ended=0.0)


def _node(
    name: str, plan: Plan, ready: Ready | None, steps: Sequence[StepDone], resources: Sequence[Resources]
) -> NodeReport:
    last = resources[-1] if resources else None
    return NodeReport(
        name=name,
        role=plan.role_of(name),
        layers=plan.layers_of(name),
        hardware=ready.hardware if ready else None,
        memory=NodeMemory(
            peak_rss_bytes=last.peak_rss_bytes if last else None,
            peak_anonymous_bytes=last.peak_anonymous_bytes if last else None,
            peak_engine_bytes=last.peak_engine_bytes or None if last else None,
            limit_bytes=last.limit_bytes if last else None,
        ),
        step_ms=_percentiles(steps, lambda step: step.step_ms),
        compute_ms=_percentiles(steps, lambda step: step.compute_ms),
        wait_ms=_percentiles(steps, lambda step: step.wait_ms),
        send_ms=_percentiles(steps, lambda step: step.send_ms),
        sent_bytes_per_step=_mean(steps, lambda s: s.sent_payload_bytes if s.sent_bytes is None else s.sent_bytes),
        received_bytes_per_step=_mean(
            steps, lambda s: s.received_payload_bytes if s.received_bytes is None else s.received_bytes
        ),
        sent_payload_bytes_per_step=_mean(steps, lambda step: step.sent_payload_bytes),
        received_payload_bytes_per_step=_mean(steps, lambda step: step.received_payload_bytes),
    )


def _percentiles(steps: Sequence[StepDone], measure: Callable[[StepDone], float]) -> Percentiles | None:
    """Nearest-rank percentiles."""
    values = sorted(measure(step) for step in _settled(steps))
    if not values:
        return None
    p50, p95, p99 = (values[-(-percent * len(values) // 100) - 1] for percent in (50, 95, 99))
    return Percentiles(p50=p50, p95=p95, p99=p99)


def _mean(steps: Sequence[StepDone], measure: Callable[[StepDone], float]) -> float | None:
    return fmean(measure(step) for step in steps) if steps else None


def _settled(steps: Sequence[StepDone]) -> Sequence[StepDone]:
    """Steps without the first, which pays for first touches of memory and files; unless it is the only one."""
    return steps[1:] or steps
