"""The course of a run, from its folder: what each node told over time, and the moments at which something befell it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from statistics import median

from picluster.controller.page.lines import Line, TimeUse, lines_of, spans, time_use
from picluster.controller.page.sentences import Load, Stall
from picluster.controller.record.metrics import Metrics, settled
from picluster.controller.record.run_folder import RunFolder
from picluster.schema.events import EpochDone, Recorded, Resources, StepDone
from picluster.schema.record import Record
from picluster.schema.report import Report
from picluster.schema.run import Failure

_FROZEN_RATIO, _FROZEN_SECONDS, _FROZEN_SHARE = 10.0, 1.0, 0.1
"""A step stands out that takes so many times the usual one, at least so long, and that part of all steps' time."""


class NodeCourse(Record, frozen=True, kw_only=True):
    """One node over time."""

    name: str
    time_use: TimeUse
    """Use of its time, also in steps that a later attempt made again."""
    step_ms: tuple[Line, ...]
    """Time of a step: a line for each attempt, as for what follows."""
    own_bytes: tuple[Line, ...]
    """Memory that cannot be dropped."""
    resident_bytes: tuple[Line, ...]
    """Memory with mapped files."""
    limit_bytes: int | None
    celsius: tuple[Line, ...]
    """Temperature; empty where there is no sensor."""
    clock_mhz: tuple[Line, ...]
    """Clock of the processor; empty where nobody tells, as for what follows."""
    throttled: tuple[tuple[float, float], ...]
    """Spans of time in which the firmware held the processor back."""


class Happening(Record, frozen=True, kw_only=True):
    """Something that befell the run."""

    seconds: float
    """Time since the run began."""
    mark: str
    """Letter that stands for it in pictures."""
    words: str


class Course(Record, frozen=True, kw_only=True):
    """One run over time."""

    seconds: float
    """Time from its beginning to the last that is known of it."""
    epoch_seconds: tuple[float, ...]
    """End of each epoch in seconds since the run began, in the order of the report's."""
    nodes: tuple[NodeCourse, ...]
    moments: tuple[Happening, ...]
    loads: tuple[Load, ...]
    stall: Stall | None


def read_course(folder: RunFolder, report: Report, metrics: Metrics) -> Course:
    """Read the rest of a run folder; `report` and `metrics` are what was made of it and read from it."""
    began = folder.run().started
    told = {node.name: metrics.counted[node.name] for node in report.nodes}
    result = folder.result()
    moments = _moments(report, began, result.ended if result else 0.0)
    last = [lines[-1].time - began for lines in metrics.told.values() if lines]
    end = max([0.0, *last, *(moment.seconds for moment in moments)])
    return Course(
        seconds=end,
        epoch_seconds=tuple(each.time - began for each in folder.events() if isinstance(each.event, EpochDone)),
        nodes=tuple(
            _node(name, lines, began, time_use(metrics.told[name], began, end)) for name, lines in told.items()
        ),
        moments=moments,
        loads=tuple(_load(name, metrics.latest[name]) for name in told),
        stall=find_stall({name: settled(metrics.latest[name]) for name in told}),
    )


def find_stall(steps: dict[str, list[StepDone]]) -> Stall | None:
    """The step that took far longer than all others, and the node that was not waiting for another in it.

    `steps` of each node leave out those that read files for the first time. A node that stands still counts the time
    as its own work, or else as its wait; all others only wait for it or send.
    """
    slowest = {name: max(done, key=lambda step: step.step_ms) for name, done in steps.items() if len(done) > 1}
    if not slowest:
        return None
    name = max(slowest, key=lambda each: (round(slowest[each].compute_ms), slowest[each].step_ms))
    step, times = slowest[name], [each.step_ms for each in steps[name]]
    usual, share = median(times), step.step_ms / sum(times)
    if step.step_ms < max(_FROZEN_RATIO * usual, _FROZEN_SECONDS * 1e3) or share < _FROZEN_SHARE:
        return None
    seconds, usual_seconds = step.step_ms / 1e3, usual / 1e3
    return Stall(node=name, epoch=step.epoch, step=step.step, seconds=seconds, usual_seconds=usual_seconds, share=share)


def _node(name: str, lines: Sequence[Recorded], began: float, use: TimeUse) -> NodeCourse:
    steps = [(each.attempt, each.time - began, each.event) for each in lines if isinstance(each.event, StepDone)]
    readings = [(each.attempt, each.time - began, each.event) for each in lines if isinstance(each.event, Resources)]

    def measured(measure: Callable[[Resources], float | None]) -> tuple[Line, ...]:
        found = [(attempt, time, measure(reading)) for attempt, time, reading in readings]
        return lines_of([(attempt, time, value) for attempt, time, value in found if value is not None])

    return NodeCourse(
        name=name,
        time_use=use,
        step_ms=lines_of([(attempt, time, step.step_ms) for attempt, time, step in steps]),
        own_bytes=measured(lambda reading: reading.anonymous_bytes + reading.engine_bytes),
        resident_bytes=measured(lambda reading: reading.rss_bytes),
        limit_bytes=readings[-1][2].limit_bytes if readings else None,
        celsius=measured(lambda reading: reading.temperature_celsius),
        clock_mhz=measured(lambda reading: reading.clock_mhz),
        throttled=spans([(attempt, time, bool(reading.throttled)) for attempt, time, reading in readings]),
    )


def _load(name: str, lines: Sequence[Recorded]) -> Load:
    """The node's load from its second step on: before that it reads files for the first time."""
    started = next((each.time for each in lines if isinstance(each.event, StepDone)), 0.0)
    training = [each.event for each in lines if isinstance(each.event, Resources) and each.time > started]
    limit = training[-1].limit_bytes if training else None
    return Load(
        node=name,
        cores=median(each.cpu_share for each in training) if training else 0.0,
        resident_share=min(1.0, training[-1].peak_rss_bytes / limit) if training and limit else 0.0,
    )


def _moments(report: Report, began: float, ended: float) -> tuple[Happening, ...]:
    """Faults and restarts, and how the run ended, with letters in the order of time."""
    found: list[tuple[float, str]] = []
    for attempt in report.attempts:
        if attempt.after:
            found.append((attempt.after.found or attempt.started, _fault(attempt.after)))
        found.append((attempt.started, f"attempt {attempt.attempt} began, from {attempt.position.words}"))
        if attempt.first_step is not None:
            found.append((attempt.first_step, f"attempt {attempt.attempt} made its first step"))
    if report.failure:
        found.append((report.failure.found or ended, _fault(report.failure)))
    if report.status == "stopped":
        found.append((ended, f"stopped by {report.stopped_by or 'somebody'}"))
    in_order = sorted((max(0.0, time - began) if time else 0.0, words) for time, words in found)
    return tuple(
        Happening(seconds=time, mark=_letter(place), words=words) for place, (time, words) in enumerate(in_order)
    )


def _fault(failure: Failure) -> str:
    return f"{failure.who}: {failure.cause}"


def _letter(place: int) -> str:
    """A to Z, then A2 and so on."""
    turn, letter = divmod(place, 26)
    return chr(ord("A") + letter) + (str(turn + 1) if turn else "")
