"""Run folders as they grow: files read line by line, and a run's events and logs until it has ended."""

from __future__ import annotations

import heapq
import shlex
import time
from collections.abc import Iterator
from contextlib import suppress
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING

from picluster.controller.record.all_runs import training_after
from picluster.controller.record.leader import is_alive
from picluster.controller.record.record_files import read_event
from picluster.errors import RunFailed
from picluster.schema.events import Logged, Recorded

if TYPE_CHECKING:
    from picluster.controller.record.run_folder import RunFolder

LOOK_SECONDS = 0.2
_PIECE = 1 << 16


class GrowingFile:
    """File that another process appends to, and that need not exist yet."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._place, self._rest = 0, b""

    def lines(self) -> Iterator[bytes]:
        """Read the whole lines that were written since the last look, without their ends."""
        with suppress(FileNotFoundError), self.path.open("rb") as file:
            file.seek(self._place)
            while piece := file.read(_PIECE):
                self._place += len(piece)
                *lines, self._rest = (self._rest + piece).split(b"\n")
                yield from lines

    def rest(self) -> Iterator[bytes]:
        """Read what stands after the last whole line, where anything does: its writer has ended."""
        if self._rest:
            yield self._rest


def looks(folder: RunFolder) -> Iterator[bool]:
    """Look at a run again and again, in time, until it has ended or nobody leads it any more; then True, once."""
    controller = folder.controller()
    while folder.result() is None and is_alive(controller):
        yield False
        time.sleep(LOOK_SECONDS)
    yield True


def awaited_training(folder: RunFolder) -> RunFolder:
    """Wait for the training after a pre-training that has finished. RunFailed where nobody leads it to one any more."""
    while (after := training_after(folder)) is None:
        if not is_alive(folder.controller()) and not (after := training_after(folder)):
            what = f"run {folder.name} has finished, and the training after it was not begun"
            raise RunFailed(what, fix=f"go on with it: picluster launch --resume {shlex.quote(folder.name)}")
        time.sleep(LOOK_SECONDS)
    return after


def follow_run(folder: RunFolder) -> Iterator[Recorded]:
    """Tell what the workers of a run have told so far, in order of time, then everything as it comes.

    Lines of their logs, too. What workers write while they are ended is passed over, but for the one that failed.
    """
    files = [GrowingFile(folder.events_file)]
    logs: dict[str, GrowingFile] = {}
    attempt = 1
    for is_over in looks(folder):
        for node in folder.node_names():  # a later attempt may have others
            if node not in logs:
                files.append(GrowingFile(folder.metrics_file(node)))
                logs[node] = GrowingFile(folder.log_file(node))
        for told in heapq.merge(*map(_events, files), key=attrgetter("time")):
            attempt = max(attempt, told.attempt)
            yield told
        result = folder.result() if is_over else None
        for node, log in logs.items():
            if result is None or (result.failure and result.failure.node == node):
                for line in log.lines():
                    event = Logged(line=line.decode(errors="replace"))
                    yield Recorded(time=time.time(), node=node, attempt=attempt, event=event)


def _events(file: GrowingFile) -> Iterator[Recorded]:
    for line in file.lines():
        yield read_event(line, file.path)
