"""A run as event files, which TensorBoard reads: what was learnt, and of each node its steps and resources.

All lie on one axis, the number of training steps, and keep the times at which they were told.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from picluster.asides import written_aside
from picluster.controller.record.metrics import Metrics, read_metrics
from picluster.controller.record.record_files import require_folder_or_nothing
from picluster.controller.record.run_folder import RunFolder
from picluster.errors import MissingError
from picluster.refusals import refuse
from picluster.schema.events import EpochDone, Recorded, Resources, StepDone, Tested

_MEBIBYTE, _KIBIBYTE = 1 << 20, 1 << 10


class _Point(NamedTuple):
    """Figures of one moment, by their names: those of one word before the stroke stand together in TensorBoard."""

    time: float
    step: int
    figures: dict[str, float | None]


def write_event_files(folder: RunFolder, place: Path) -> Path:
    """Write a run into a folder of its name below `place`, each node into one below that; returns the run's folder.

    Files of before are replaced. MissingError without tensorboardX; DataError where the disk does not take them.
    """
    metrics, run = read_metrics(folder), place / folder.name
    steps_per_epoch = max((event.step for lines in metrics.counted.values() for event in _steps(lines)), default=1)
    file_name = f"events.out.tfevents.{folder.run().started:.0f}.picluster"
    _write(run / file_name, _learnt(folder, metrics, steps_per_epoch))
    for node, lines in metrics.counted.items():
        _write(run / node / file_name, _of_node(lines, steps_per_epoch))
    return run


def _steps(lines: Sequence[Recorded]) -> Iterator[StepDone]:
    return (line.event for line in lines if isinstance(line.event, StepDone))


def _learnt(folder: RunFolder, metrics: Metrics, steps_per_epoch: int) -> Iterator[_Point]:
    """Losses and accuracies; those of epochs stand at their last steps."""
    lines = [line for lines in metrics.counted.values() for line in lines]
    for line in lines:
        if isinstance(line.event, StepDone) and line.event.loss is not None:
            yield _Point(line.time, _number(line.event, steps_per_epoch), {"loss/step": line.event.loss})
    done = 0
    for line in folder.events():
        if isinstance(line.event, EpochDone):
            done = line.event.epoch * steps_per_epoch
            yield _Point(line.time, done, _of_epoch(line.event))
        elif isinstance(line.event, Tested):
            yield _Point(line.time, done, {"accuracy/test": line.event.test_accuracy})


def _of_epoch(done: EpochDone) -> dict[str, float | None]:
    return {
        "loss/epoch": done.loss,
        "loss/validation": done.validation_loss,
        "accuracy/train": done.train_accuracy,
        "accuracy/validation": done.validation_accuracy,
        "seconds/epoch": done.seconds,
    }


def _of_node(lines: Sequence[Recorded], steps_per_epoch: int) -> Iterator[_Point]:
    """Steps of a node, and its resources at the step that it had done last."""
    done = 0
    for line in lines:
        if isinstance(line.event, StepDone):
            done = _number(line.event, steps_per_epoch)
            yield _Point(line.time, done, _of_step(line.event))
        elif isinstance(line.event, Resources):
            yield _Point(line.time, done, _of_resources(line.event))


def _of_step(step: StepDone) -> dict[str, float | None]:
    sent = step.sent_payload_bytes if step.sent_bytes is None else step.sent_bytes
    return {
        "step ms/whole": step.step_ms,
        "step ms/compute": step.compute_ms,
        "step ms/wait": step.wait_ms,
        "step ms/send": step.send_ms,
        "step KiB/sent": sent / _KIBIBYTE,
    }


def _of_resources(reading: Resources) -> dict[str, float | None]:
    swapped = reading.swapped_bytes
    return {
        "memory MiB/own": reading.anonymous_bytes / _MEBIBYTE,
        "memory MiB/with files": reading.rss_bytes / _MEBIBYTE,
        "memory MiB/swapped": None if swapped is None else swapped / _MEBIBYTE,
        "processor/cores busy": reading.cpu_share,
        "processor/degrees Celsius": reading.temperature_celsius,
        "processor/MHz": reading.clock_mhz,
        "processor/held back": reading.throttled,
        "energy/joules": reading.joules,
    }


def _number(step: StepDone, steps_per_epoch: int) -> int:
    """Number of a step, counted from 1 through all epochs."""
    return (step.epoch - 1) * steps_per_epoch + step.step


def _write(file: Path, points: Iterator[_Point]) -> None:
    """Write an event file whole, with the figures that are known."""
    try:
        from tensorboardX.proto.event_pb2 import Event
        from tensorboardX.proto.summary_pb2 import Summary
        from tensorboardX.record_writer import RecordWriter
    except ImportError:
        raise MissingError(
            "event files for TensorBoard need the package tensorboardX",
            fix="make setup EXTRAS=tensorboard, or: pip install tensorboardX",
        ) from None
    require_folder_or_nothing(file.parent)
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        refuse("make", file.parent, error)
    with written_aside(file) as aside:
        writer = RecordWriter(str(aside.absolute()))
        writer.write(Event(wall_time=0.0, file_version="brain.Event:2").SerializeToString())
        for time, step, figures in points:
            values = [
                Summary.Value(tag=name, simple_value=value) for name, value in figures.items() if value is not None
            ]
            writer.write(Event(wall_time=time, step=step, summary=Summary(value=values)).SerializeToString())
        writer.close()
