"""The run folder: the record of a run. This class alone knows the names in it."""

from __future__ import annotations

import os
import secrets
import string
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import msgspec
import psutil

from picluster.errors import DataError, InputError, PiclusterError
from picluster.schema.events import Recorded, Resources, StepDone
from picluster.schema.plan import Plan
from picluster.schema.record import Record, from_json, to_json
from picluster.schema.run import Controller, Environment, Manifest, Result, Run

if TYPE_CHECKING:
    from picluster.schema.events import AnyEvent

RUNS = Path("runs")
RecordType = TypeVar("RecordType", bound=Record)


class RunFolder:
    """Everything about one run. Files are written aside and renamed; lists of events grow line by line."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.run_file = path / "run.json"
        self.plan_file = path / "plan.json"
        self.environment_file = path / "environment.json"
        self.events_file = path / "events.jsonl"
        self.result_file = path / "result.json"

    @property
    def name(self) -> str:
        """Of the run."""
        return self.path.name

    @staticmethod
    def create(model: str, dataset: str, root: Path = RUNS) -> RunFolder:
        """A new folder, named after date, model, data and four random letters."""
        date = time.strftime("%Y-%m-%d")
        letters = "".join(secrets.choice(string.ascii_lowercase) for _ in range(4))
        path = root / f"{date}-{model}-{dataset}-{letters}"
        try:
            path.mkdir(parents=True)
        except OSError as error:
            raise DataError(f"cannot make the run folder {path.absolute()}: {error.strerror}") from error
        return RunFolder(path)

    @staticmethod
    def find(name: str | None, root: Path = RUNS) -> RunFolder:
        """The run of that name or path; the newest where none is named. InputError where there is none."""
        if name is not None:
            candidates = [path for path in (Path(name), root / name) if (path / "run.json").exists()]
            if not candidates:
                raise InputError(f"there is no run {name}", fix=f"the runs are the folders in {root.absolute()}")
            return RunFolder(candidates[0])
        runs = [RunFolder(file.parent) for file in root.glob("*/run.json")]
        if not runs:
            raise InputError(f"there are no runs in {root.absolute()}", fix="picluster launch makes one")
        return max(runs, key=_started)

    def log_file(self, node: str) -> Path:
        """What a node's worker wrote to its standard error."""
        return self._node(node) / "log.txt"

    def metrics_file(self, node: str) -> Path:
        """A node's steps and resource readings."""
        return self._node(node) / "metrics.jsonl"

    def node_folder(self, node: str) -> Path:
        """Made where it does not exist."""
        folder = self._node(node)
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def checkpoint_folder(self, epoch: int) -> Path:
        """Weights after an epoch."""
        return self.path / "checkpoints" / str(epoch)

    def begin(self, run: Run, plan: Plan, environment: Environment) -> None:
        """Write what is known before anything starts."""
        self._write(self.environment_file, environment)
        self._write(self.plan_file, plan)
        self._write(self.run_file, run)

    def record(self, node: str, event: AnyEvent) -> None:
        """Append an event to the run's list; steps and resource readings to the node's metrics."""
        line = to_json(Recorded(time=time.time(), node=node, event=event)) + b"\n"
        file = self.metrics_file(node) if isinstance(event, StepDone | Resources) else self.events_file
        try:
            with file.open("ab") as lines:
                lines.write(line)
        except OSError as error:
            raise DataError(f"cannot write {file.absolute()}: {error.strerror}") from error

    def keep_checkpoint(self, manifest: Manifest) -> None:
        """Write a checkpoint's manifest, which makes it exist."""
        self._write(self.checkpoint_folder(manifest.epoch) / "manifest.json", manifest)

    def end(self, result: Result) -> None:
        """Write the result: the run is over."""
        self._write(self.result_file, result)

    def run(self) -> Run:
        """What was to be done."""
        return self._read(self.run_file, Run)

    def plan(self) -> Plan:
        """Who did what."""
        return self._read(self.plan_file, Plan)

    def environment(self) -> Environment:
        """Where the controller ran."""
        return self._read(self.environment_file, Environment)

    def result(self) -> Result | None:
        """How it ended; None while it runs, or when its controller died."""
        return self._read(self.result_file, Result) if self.result_file.exists() else None

    def events(self) -> Iterator[Recorded]:
        """What happened, in order."""
        return _read_lines(self.events_file)

    def metrics(self, node: str) -> Iterator[Recorded]:
        """A node's steps and readings, in order."""
        return _read_lines(self.metrics_file(node))

    def _node(self, node: str) -> Path:
        return self.path / "nodes" / node

    def _write(self, file: Path, record: Record) -> None:
        aside = file.with_name(f".{file.name}.{os.getpid()}")
        try:
            with aside.open("wb") as stream:
                stream.write(to_json(record, indent=True))
                stream.flush()
                os.fsync(stream.fileno())
            aside.replace(file)
        except OSError as error:
            aside.unlink(missing_ok=True)
            raise DataError(f"cannot write {file.absolute()}: {error.strerror}") from error

    def _read(self, file: Path, kind: type[RecordType]) -> RecordType:
        try:
            return from_json(kind, file.read_bytes(), source=str(file))
        except FileNotFoundError as error:
            raise DataError(f"the run folder {self.path} lacks {file.name}") from error
        except OSError as error:
            raise DataError(f"cannot read {file}: {error.strerror}") from error
        except InputError as error:
            raise DataError(error.what) from error


def _started(folder: RunFolder) -> float:
    """When the run began; a folder that cannot be read must not hide the others."""
    try:
        return folder.run().started
    except PiclusterError:
        return folder.run_file.stat().st_mtime


def this_controller() -> Controller:
    """This process, as a run folder remembers it."""
    return Controller(host=os.uname().nodename, pid=os.getpid(), started=psutil.Process().create_time())


def is_alive(controller: Controller) -> bool:
    """Whether the process that leads a run still exists; unknown on other machines, hence no."""
    if controller.host != os.uname().nodename:
        return False
    try:
        process = psutil.Process(controller.pid)
        is_the_one = abs(process.create_time() - controller.started) < 1
        return is_the_one and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def _read_lines(file: Path) -> Iterator[Recorded]:
    """Whole lines only: the last one may have been cut when its writer died."""
    if not file.exists():
        return
    with file.open("rb") as lines:
        for line in lines:
            if not line.endswith(b"\n"):
                return
            try:
                yield msgspec.json.decode(line, type=Recorded)
            except msgspec.DecodeError as error:
                raise DataError(f"{file} has a line that is no event: {error}") from error
