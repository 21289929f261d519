"""The run folder: the record of a run. This class alone knows the names in it."""

from __future__ import annotations

import fcntl
import os
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from picluster.asides import remove_asides
from picluster.controller.record.record_files import (
    append_record,
    counted_once,
    read_lines,
    read_record,
    write_record,
    write_whole,
)
from picluster.controller.record.states import States
from picluster.errors import DataError, InputError
from picluster.refusals import refuse
from picluster.schema.events import EpochDone, Failed, Recorded, Resources, StepDone, Traced
from picluster.schema.plan import Plan
from picluster.schema.run import Controller, Environment, Manifest, Result, Resumption, Run

if TYPE_CHECKING:
    from picluster.schema.events import AnyEvent

LETTERS = 4
_ROOM_BYTES = 64 << 10
_END_BYTES = 4 << 10
_END_LINES = 5


class RunFolder:
    """Folder with everything about one run. Files are written aside and renamed; lists of events grow line by line."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.run_file = path / "run.json"
        self.plan_file = path / "plan.json"
        self.environment_file = path / "environment.json"
        self.events_file = path / "events.jsonl"
        self.result_file = path / "result.json"
        self.model_file = path / "model.py"
        """The model as it was when the run began; runs of version 0.1 have none."""
        self.training_file = path / "training.json"
        """Request of the training that a pre-training goes before."""
        self.weights_file = path / "weights.safetensors"
        """The best epoch's weights in one file, where somebody asked for it."""
        self.terminal_file = path / "terminal.txt"
        """Words of a controller that has left its terminal."""
        self.states = States(path / "states")
        self._room_file = path / ".room"
        """Reserved space for the last records: given back when the run ends, or when the disk is full."""

    @property
    def name(self) -> str:
        """Name of the run, as text, whatever a copied folder is called."""
        return os.fsencode(self.path.name).decode(errors="replace")

    @property
    def letters(self) -> str:
        """The end of its name, by which it is found."""
        return self.name[-LETTERS:]

    def log_file(self, node: str) -> Path:
        """Path of the log: what a node's worker wrote to its standard error."""
        return self._node(node) / "log.txt"

    def metrics_file(self, node: str) -> Path:
        """Path of a node's steps and resource readings."""
        return self._node(node) / "metrics.jsonl"

    def trace_file(self, node: str) -> Path:
        """Path of what a node's roles did, slice by slice; it is there where a trace was asked for."""
        return self._node(node) / "trace.jsonl"

    def node_folder(self, node: str) -> Path:
        """Folder of a node's files, made where it does not exist."""
        folder = self._node(node)
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            refuse("make", folder, error)
        return folder

    def checkpoint_folder(self, epoch: int) -> Path:
        """Folder of the weights after an epoch."""
        return self.path / "checkpoints" / str(epoch)

    def begin(self, run: Run, plan: Plan, environment: Environment) -> None:
        """Write what is known before anything starts."""
        write_whole(self._room_file, secrets.token_bytes(_ROOM_BYTES))
        write_record(self.environment_file, environment)
        write_record(self.plan_file, plan)
        write_record(self.run_file, run)

    def keep_model(self, file: Path) -> None:
        """Keep the text of the model, so that the run can be made again when the file has changed."""
        try:
            text = file.read_bytes()
        except OSError as error:
            raise InputError(f"cannot read the model {file}: {error.strerror}") from error
        write_whole(self.model_file, text)

    def record(self, node: str, event: AnyEvent, attempt: int = 1) -> None:
        """Append an event to the run's list; steps and resource readings to the node's metrics, slices to its trace.

        A failure that the worker tells in words, rather than by a traceback, goes to its log as well.
        """
        file = self.metrics_file(node) if isinstance(event, StepDone | Resources) else self.events_file
        file = self.trace_file(node) if isinstance(event, Traced) else file
        self._append(file, Recorded(time=time.time(), node=node, attempt=attempt, event=event))
        if isinstance(event, Failed) and event.expected:
            self.append_log(node, f"error: {event.cause}\n".encode())

    def append_log(self, node: str, text: bytes) -> None:
        """Append to a node's log, as far as the disk takes it: a worker must not stall for its log."""
        with suppress(OSError), self.log_file(node).open("ab", buffering=0) as log:
            log.write(text)

    def last_lines(self, node: str) -> tuple[str, ...]:
        """The end of a node's log, in characters that can be printed; none where there is no log."""
        end = b""
        with suppress(OSError), self.log_file(node).open("rb") as log:
            log.seek(max(0, log.seek(0, os.SEEK_END) - _END_BYTES))
            end = log.read()
        lines = end.decode(errors="replace").splitlines()[-_END_LINES:]
        return tuple("".join(letter for letter in line if letter.isprintable()) for line in lines)

    def _append(self, file: Path, recorded: Recorded) -> None:
        """Append a line; where the disk is full, what the run has learnt so far must not be lost for want of a line."""
        try:
            append_record(file, recorded)
        except DataError as error:
            self._give_room_back()
            with suppress(DataError):
                append_record(file, recorded)
            raise error from error.__cause__

    def _give_room_back(self) -> None:
        """Free the reserved space. DataError where the folder has gone."""
        if not self.path.is_dir():
            what = f"the run folder {self.path.absolute()} has gone while the run was under way"
            raise DataError(what, fix="leave it, and the disk that it is on, in place until the run has ended")
        with suppress(OSError):
            self._room_file.unlink()

    def keep_checkpoint(self, manifest: Manifest) -> None:
        """Write a checkpoint's manifest, which makes it exist; files of an attempt that failed go."""
        for file in self.checkpoint_folder(manifest.epoch).iterdir():
            if file.name not in manifest.files:
                file.unlink()
        write_record(self.checkpoint_folder(manifest.epoch) / "manifest.json", manifest)

    def keep_attempt(self, attempt: Resumption) -> None:
        """Take down that the run is taken up again; a result of before holds no longer."""
        folder = self.path / "attempts"
        try:
            folder.mkdir(exist_ok=True)
            if not self._room_file.exists():
                write_whole(self._room_file, secrets.token_bytes(_ROOM_BYTES))
            write_record(folder / f"{attempt.attempt}.json", attempt)
            self.result_file.unlink(missing_ok=True)
            remove_asides(self.path)  # of a controller or a worker that was killed while it wrote a file
        except OSError as error:
            refuse("write", folder, error)

    @contextmanager
    def taken_up(self) -> Iterator[None]:
        """Keep others from taking the run up meanwhile. InputError where somebody does already.

        The kernel frees the lock when its holder dies. Where a file system has no locks, nobody is kept from it.
        """
        try:
            lock = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY)
        except OSError as error:
            refuse("open", self.path, error)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
            fix = f"see it: picluster logs --follow {self.name}"
            raise InputError(f"run {self.name} is being taken up by another launch", fix=fix) from None
        except OSError:  # a file system without locks
            pass
        try:
            yield
        finally:
            os.close(lock)

    def attempts(self) -> list[Resumption]:
        """Read how the run was taken up again, in order; empty where that was not needed."""
        folder = self.path / "attempts"
        try:
            files = list(folder.glob("[0-9]*.json"))
        except OSError as error:
            refuse("read", folder, error)
        return sorted((read_record(file, Resumption) for file in files), key=lambda each: each.attempt)

    def checkpoint(self) -> tuple[Path, Manifest]:
        """Folder of the best epoch's weights, and its manifest. DataError where there is none."""
        complete = [file.parent for file in self.path.glob("checkpoints/*/manifest.json")]
        if not complete:
            raise DataError(f"run {self.name} has no weights", fix="a run writes them when it has finished")
        best = max(complete, key=lambda folder: int(folder.name))
        return best, read_record(best / "manifest.json", Manifest)

    def drop_states(self) -> None:
        """Remove the training states, also those that were not fetched: nothing is to be gone on with."""
        self.states.remove()
        for file in self.path.glob("nodes/*/epoch-*.safetensors"):
            with suppress(OSError):
                file.unlink()

    def end(self, result: Result) -> None:
        """Write the result: the run is over."""
        self._give_room_back()
        with suppress(OSError):
            remove_asides(self.path)  # of a worker that was killed while it wrote a file
        write_record(self.result_file, result)

    def run(self) -> Run:
        """Read the task of the run."""
        return read_record(self.run_file, Run)

    def first_plan(self) -> Plan:
        """Read the plan under which the run began."""
        return read_record(self.plan_file, Plan)

    def plan(self) -> Plan:
        """Read the plan of the run; the newest, where it was taken up under others."""
        attempts = self.attempts()
        return attempts[-1].plan if attempts else self.first_plan()

    def controller(self) -> Controller:
        """Read who leads the run, or led it last."""
        attempts = self.attempts()
        return attempts[-1].controller if attempts else self.run().controller

    def environment(self) -> Environment:
        """Read where the controller ran."""
        return read_record(self.environment_file, Environment)

    def result(self) -> Result | None:
        """Read the result; None while the run goes on, or when its controller died."""
        return read_record(self.result_file, Result) if self.result_file.exists() else None

    def events(self) -> Iterator[Recorded]:
        """Read the events in order."""
        return counted_once(self.all_events(), self.attempts())

    def all_events(self) -> Iterator[Recorded]:
        """Read the same with epochs that later attempts made again."""
        return read_lines(self.events_file)

    def epochs_before(self, attempt: Resumption) -> list[EpochDone]:
        """Read the epochs that were over where an attempt took the run up."""
        lines = (each for each in self.all_events() if each.attempt < attempt.attempt)
        begun = (each for each in self.attempts() if each.attempt <= attempt.attempt)
        return [each.event for each in counted_once(lines, begun) if isinstance(each.event, EpochDone)]

    def metrics(self, node: str) -> Iterator[Recorded]:
        """Read a node's steps and resource readings in order."""
        return counted_once(self.all_metrics(node), self.attempts())

    def all_metrics(self, node: str) -> Iterator[Recorded]:
        """Read the same with what later attempts made again."""
        return read_lines(self.metrics_file(node))

    def traces(self, node: str) -> Iterator[Recorded]:
        """Read what a node's roles did, in order; nothing where no trace was asked for."""
        return read_lines(self.trace_file(node))

    def node_names(self) -> list[str]:
        """Names of the nodes that have taken part so far, in whatever attempt."""
        return sorted(folder.name for folder in (self.path / "nodes").glob("*"))

    def _node(self, node: str) -> Path:
        return self.path / "nodes" / node
