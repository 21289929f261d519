"""Fetches what workers wrote into the run folder, in a thread of its own: the thread that decides must not wait."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from picluster.controller.record.record_files import written_aside
from picluster.errors import DataError
from picluster.schema.events import CheckpointWritten, Predicted, StateWritten
from picluster.schema.run import Manifest
from picluster.schema.state import Beginning
from picluster.system import SYSTEM, System

if TYPE_CHECKING:
    import queue

    from picluster.controller.running.launch import Launch
    from picluster.schema.events import AnyEvent

FileWritten = CheckpointWritten | StateWritten | Predicted
"""Events that tell of a file to fetch."""


@dataclass(frozen=True)
class Arrived:
    """The end of a fetch, put among what workers say."""

    event: FileWritten
    """The event that told of the file."""
    error: BaseException | None
    """The reason why it did not arrive."""


class Fetcher:
    """Fetches one file after the other; a checkpoint or state exists when the last of its files has come."""

    def __init__(
        self, launch: Launch, heard: queue.Queue[tuple[str, AnyEvent | Arrived]], system: System = SYSTEM
    ) -> None:
        """`heard`: gets an `Arrived` for each file."""
        self._launch, self._heard, self._system = launch, heard, system
        self._wanted: queue.Queue[tuple[str, FileWritten] | None] = system.queue(0)
        self._under_way = 0
        self._has_begun = False
        self._checksums: dict[int, dict[str, str]] = defaultdict(dict)
        self._states: dict[str, dict[int, StateWritten]] = defaultdict(dict)

    @property
    def is_busy(self) -> bool:
        """True while something is still to be fetched."""
        return self._under_way > 0

    def begin(self, node: str, event: FileWritten) -> None:
        """Fetch the file of which the event tells, after those before it."""
        if not self._has_begun:
            self._system.start_thread(self._fetch_all, name="fetch")
            self._has_begun = True
        self._under_way += 1
        self._wanted.put((node, event))

    def finish(self, arrived: Arrived) -> None:
        """Take account of a file; raises the error that kept it from arriving."""
        self._under_way -= 1
        if arrived.error is not None:
            raise arrived.error
        event = arrived.event
        if isinstance(event, CheckpointWritten):
            checksums = self._checksums[event.epoch]
            checksums[Path(event.path).name] = event.sha256
            if len(checksums) == len(self._launch.plan.stages):
                manifest = Manifest(epoch=event.epoch, files=dict(sorted(checksums.items())))
                self._launch.folder.keep_checkpoint(manifest)
        elif isinstance(event, StateWritten):
            layers = self._states[event.position.name]
            layers[event.layer] = event
            if len(layers) == self._launch.plan.depth:
                (judge,) = {each.judge for each in layers.values() if each.judge}
                files = tuple(Path(layers[layer].path).name for layer in sorted(layers))
                self._launch.folder.keep_state(Beginning(position=event.position, judge=judge, layer_files=files))

    def close(self) -> None:
        """Fetch nothing further."""
        self._wanted.put(None)

    def _fetch_all(self) -> None:
        while (wanted := self._wanted.get()) is not None:
            node, event = wanted
            try:
                self._fetch(node, event)
            except BaseException as error:  # noqa: BLE001  the thread that decides raises it
                self._heard.put((node, Arrived(event, error)))
            else:
                self._heard.put((node, Arrived(event, None)))

    def _fetch(self, node: str, event: FileWritten) -> None:
        """Fetch a file aside and rename it; DataError where it arrives damaged, or the disk does not take it."""
        folder, name = self._launch.folder, Path(event.path).name
        if isinstance(event, CheckpointWritten):
            file = folder.checkpoint_folder(event.epoch) / name
        elif isinstance(event, StateWritten):
            file = folder.state_folder(event.position) / name
        else:
            assert self._launch.prediction is not None
            file = self._launch.prediction.probabilities
        with written_aside(file) as aside:
            file.parent.mkdir(parents=True, exist_ok=True)
            self._launch.transports[node].fetch(event.path, aside)
            expected = None if isinstance(event, Predicted) else event.sha256
            if expected and hashlib.sha256(aside.read_bytes()).hexdigest() != expected:
                raise DataError(f"{file} did not arrive as {event.path} was written")
