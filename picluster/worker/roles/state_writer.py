"""Writes training states beside the training: the state of a moment is copied, and a thread brings it to the disk."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from picluster.schema.events import StateWritten
from picluster.schema.state import JudgeState, Position
from picluster.worker.compute.checkpoint import LayerState, write_state
from picluster.worker.roles.context import RoleContext

KEPT = 3
"""States that stay on the node: the controller fetches them one by one, and a run that goes on here reads the last."""


class StateWriter:
    """Writes one state after the other, and tells the controller of each file."""

    def __init__(self, context: RoleContext) -> None:
        self._context = context
        self._is_free = context.system.event()
        self._is_free.set()
        self._error: BaseException | None = None
        self._kept: deque[list[Path]] = deque()

    def write(self, position: Position, states: Mapping[int, LayerState], judge: JudgeState | None) -> None:
        """Have the state of each layer written, once the one before is; raises what kept that from the disk."""
        self.finish()
        self._is_free.clear()
        self._context.system.start_thread(self._write, position, states, judge, name="state")

    def check(self) -> None:
        """Raise what kept a state from the disk."""
        if self._error is not None:
            raise self._error

    def finish(self) -> None:
        """Wait until all has been written; raises what kept it from the disk."""
        self._is_free.wait()
        self.check()

    def _write(self, position: Position, states: Mapping[int, LayerState], judge: JudgeState | None) -> None:
        try:
            self._kept.append([])
            for layer, state in states.items():
                file = self._context.tensor_file(f"{position.name}-layer-{layer}")
                sha256 = write_state(file, state)
                self._kept[-1].append(file)
                told = StateWritten(position=position, layer=layer, path=str(file), sha256=sha256, judge=judge)
                self._context.emit(told)
            while len(self._kept) > KEPT:
                for file in self._kept.popleft():
                    with suppress(FileNotFoundError):  # the controller of processes on one machine moves them away
                        file.unlink()
        except BaseException as error:  # noqa: BLE001  the thread that trains raises it
            self._error = error
        finally:
            self._is_free.set()
