"""States and weights of a run: when workers give their states, and the way of what they wrote into the run folder."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from math import ceil, inf
from pathlib import Path
from typing import TYPE_CHECKING

from picluster.asides import written_aside
from picluster.controller.nodes.machine import Machine
from picluster.controller.record.record_files import checksum
from picluster.errors import DataError, RunFailed
from picluster.schema.events import CheckpointWritten, Predicted, StateWritten, StepDone
from picluster.schema.run import Manifest
from picluster.schema.state import Beginning, Position, StateManifest
from picluster.system import SYSTEM, System

if TYPE_CHECKING:
    import queue
    from collections.abc import Mapping

    from picluster.controller.planning.request import Every
    from picluster.controller.running.launch import Launch
    from picluster.schema.events import AnyEvent

KEPT_STATES = 2
"""Newest states of a run that are kept: should one be damaged, there is another."""
TRIES = 3
"""Fetches of one file, where it arrives damaged."""
AHEAD_SECONDS = 1.0
"""A position is chosen so far ahead that the question for its state reaches every worker before its training does."""
FileWritten = CheckpointWritten | StateWritten | Predicted
"""Events that tell of a file to fetch."""


@dataclass(frozen=True)
class Arrived:
    """The end of a fetch, put among what workers say."""

    node: str
    event: FileWritten
    """The event that told of the file."""
    error: BaseException | None
    """The reason why it did not arrive."""


class _GoneError(Exception):
    """A node has removed a state that was to be fetched: it keeps its newest ones only."""


class Fetcher:
    """Fetches one file after the other, in a thread of its own, since the one that decides must not wait.

    A checkpoint or state exists when the last of its files has come.
    """

    def __init__(
        self, launch: Launch, heard: queue.Queue[tuple[str, AnyEvent | Arrived]], system: System = SYSTEM
    ) -> None:
        """`heard`: gets an `Arrived` for each file."""
        self._launch, self._heard, self._system = launch, heard, system
        self._wanted: queue.Queue[tuple[str, FileWritten] | None] = system.queue(0)
        self._under_way = 0
        self._has_begun = False
        self._checksums: dict[int, dict[str, str]] = defaultdict(dict)
        self._states: dict[Position, dict[int, StateWritten]] = defaultdict(dict)
        self._told: dict[str, set[Position]] = defaultdict(set)
        self._kept: list[Position] = []

    @property
    def is_busy(self) -> bool:
        """True while something is still to be fetched."""
        return self._under_way > 0

    def begin(self, node: str, event: FileWritten) -> None:
        """Fetch the file of which the event tells, after those before it."""
        if not self._has_begun:
            self._system.start_thread(self._fetch_all, name="fetch")
            self._has_begun = True
        if isinstance(event, StateWritten):
            self._told[node].add(event.position)
        self._under_way += 1
        self._wanted.put((node, event))

    def finish(self, arrived: Arrived) -> Position | None:
        """Take account of a file; raises the error that kept it from arriving. Returns the position of a whole state.

        A node keeps its newest states only: one that is fetched too late is none, and the next will be.
        """
        self._under_way -= 1
        event = arrived.event
        if isinstance(event, StateWritten) and self._is_outdated(arrived.node, event.position):
            return None
        if isinstance(arrived.error, _GoneError):  # newer ones are there, of which nobody has told us yet
            return None
        if arrived.error is not None:
            raise arrived.error
        if isinstance(event, CheckpointWritten):
            checksums = self._checksums[event.epoch]
            checksums[Path(event.path).name] = event.sha256
            if len(checksums) == len(self._launch.plan.stages):
                manifest = Manifest(epoch=event.epoch, files=dict(sorted(checksums.items())))
                self._launch.folder.keep_checkpoint(manifest)
        elif isinstance(event, StateWritten):
            layers = self._states[event.position]
            layers[event.layer] = event
            if len(layers) == self._launch.plan.depth:
                self._keep_state(event.position, layers)
                return event.position
        return None

    def _keep_state(self, position: Position, layers: Mapping[int, StateWritten]) -> None:
        """Let a state exist, and the oldest of those before it no longer."""
        judges = {each.judge for each in layers.values() if each.judge}
        if len(judges) != 1:
            what = f"the state at {position.words} has {len(judges)} findings of the judge, who writes one"
            raise DataError(what, fix="this is a bug in picluster: report it")
        (judge,) = judges
        in_order = [layers[layer] for layer in sorted(layers)]
        files, checksums = (
            tuple(found) for found in ([Path(e.path).name for e in in_order], [e.sha256 for e in in_order])
        )
        state = Beginning(position=position, judge=judge, layer_files=files, checksums=checksums)
        self._kept = [*(self._kept or [self._launch.begin.position]), position][-KEPT_STATES:]
        self._launch.folder.states.keep(StateManifest.of(state), self._kept)
        self._states = defaultdict(
            dict, {each: found for each, found in self._states.items() if each.order > position.order}
        )

    def _is_outdated(self, node: str, position: Position) -> bool:
        """True where a node has written so many states since that it may have removed this one."""
        return sum(other.order > position.order for other in self._told[node]) >= KEPT_STATES

    def close(self) -> None:
        """Fetch nothing further."""
        self._wanted.put(None)

    def _fetch_all(self) -> None:
        while (wanted := self._wanted.get()) is not None:
            node, event = wanted
            try:
                self._fetch(node, event)
            except BaseException as error:  # noqa: BLE001  the thread that decides raises it
                self._heard.put((node, Arrived(node, event, error)))
            else:
                self._heard.put((node, Arrived(node, event, None)))

    def _fetch(self, node: str, event: FileWritten) -> None:
        """Fetch a file aside and rename it; DataError where it arrives damaged, or the disk does not take it."""
        if isinstance(event, StateWritten) and self._is_outdated(node, event.position):
            return
        folder, name = self._launch.folder, Path(event.path).name
        if isinstance(event, CheckpointWritten):
            file = folder.checkpoint_folder(event.epoch) / name
        elif isinstance(event, StateWritten):
            file = folder.states.folder(event.position) / name
        else:
            assert self._launch.prediction is not None
            file = self._launch.prediction.probabilities
        with written_aside(file) as aside:
            file.parent.mkdir(parents=True, exist_ok=True)
            transport = self._launch.transports[node]
            for _ in range(TRIES if transport.is_exclusive else 1):  # this machine's processes hand theirs over
                _bring(transport, event, aside)
                if isinstance(event, Predicted) or checksum(aside) == event.sha256:
                    return
            raise DataError(f"{file} did not arrive as {event.path} was written")


def _bring(transport: Machine, event: FileWritten, aside: Path) -> None:
    """Fetch a file; _GoneError where it is a state that its node has removed, RunFailed where another is missing."""
    try:
        transport.fetch(event.path, aside)
    except FileNotFoundError as error:
        if not aside.parent.is_dir():
            raise
        if isinstance(event, StateWritten):
            raise _GoneError from error
        what = f"copying a file failed: {event.path} is not there"
        raise RunFailed(what, fix="picluster doctor", fault="unreachable") from error


def check_event(event: AnyEvent, launch: Launch) -> None:
    """Raise ValueError for an event that no worker of this run can mean: of a layer or file that there cannot be."""
    if isinstance(event, Predicted) and launch.prediction is None:
        raise ValueError(event.path)
    if isinstance(event, FileWritten) and (not Path(event.path).name or "\0" in event.path):
        raise ValueError(event.path)
    if isinstance(event, StateWritten) and event.layer not in range(1, launch.plan.depth + 1):
        raise ValueError(event.layer)


class Rhythm:
    """Chooses the positions, from what the workers tell of their steps.

    Where a state does not come together, since a worker had passed its position already, the next is chosen further
    ahead.
    """

    def __init__(self, every: Every, steps: int, epochs: int, now: float) -> None:
        """`steps`: those of an epoch; `now`: any clock in seconds, as in the methods."""
        self._every, self._steps, self._epochs = every.seconds or inf, steps, epochs
        self._last, self._ahead_seconds = now, AHEAD_SECONDS
        self._asked: Position | None = None
        self._furthest = -1
        self._first: tuple[int, float] | None = None
        self._newest: tuple[int, float] = (0, now)

    def hear(self, event: StepDone, now: float) -> None:
        """Take account of a step that any worker has made."""
        index = (event.epoch - 1) * self._steps + event.step - 1
        self._furthest = max(self._furthest, index)
        self._first = self._first or (index, now)
        self._newest = (self._furthest, now)

    def came(self, position: Position) -> None:
        """Take account of a state that is whole."""
        if position == self._asked:
            self._asked, self._ahead_seconds = None, AHEAD_SECONDS

    def due(self, now: float) -> Position | None:
        """The position of which the workers shall be asked now; None for most of the time, and near the end."""
        if now - self._last < self._every or self._first is None or self._newest[0] == self._first[0]:
            return None
        self._last = now
        if self._asked is not None:
            self._ahead_seconds *= 2
        step_seconds = (self._newest[1] - self._first[1]) / (self._newest[0] - self._first[0])
        index = self._furthest + 2 + ceil(self._ahead_seconds / max(step_seconds, 1e-6))
        epoch, step = divmod(index, self._steps)
        if epoch >= self._epochs:
            return None
        self._asked = Position(epoch=epoch + 1, step=step + 1)
        return self._asked
