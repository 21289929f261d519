"""Telling of a rival's process: steps, memory and bytes, measured by picluster's own meters."""

from __future__ import annotations

import time
from pathlib import Path

from picluster.controller.record.record_files import append_record
from picluster.schema.events import Recorded, WorkerEvent
from picluster.worker.measuring.metrics import ResourceSampler, StepMeter
from picluster.worker.wire.links import Clock


class Teller:
    """Appends the events of one process to a file that several share."""

    def __init__(self, file: str, process: str) -> None:
        self._file, self._process = Path(file), process
        self._resources = ResourceSampler(self.tell)
        self._resources.start()
        self._meter = StepMeter(Clock())

    def tell(self, event: WorkerEvent) -> None:
        """Append an event."""
        append_record(self._file, Recorded(time=time.time(), node=self._process, event=event))

    def skip(self) -> None:
        """Leave out of the next step what happened since the last one."""
        self._meter.skip()

    def step(self, epoch: int, step: int, loss: float | None = None) -> None:
        """Tell that a step has ended."""
        self.tell(self._meter.finish(epoch, step, loss))
        self._resources.observe()

    def finish(self) -> None:
        """Tell the peaks."""
        self._resources.finish()
