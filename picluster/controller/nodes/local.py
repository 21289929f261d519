"""This machine as a node: workers and agents are child processes of the controller."""

from __future__ import annotations

import os
import platform
import signal
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

import msgspec
import psutil

import picluster
from picluster.agent import premises
from picluster.controller.nodes.inventory import Node
from picluster.controller.nodes.machine import ANSWER_SECONDS, Agent, Exit, Parcel, Places, WorkerProcess, lines_of
from picluster.errors import RunFailed
from picluster.project import worker_command
from picluster.schema.agent import AnswerType, Question
from picluster.schema.events import WorkerState
from picluster.schema.facts import NodeFacts
from picluster.schema.plan import ENGINE_PACKAGES
from picluster.schema.record import to_json

_HERE = Node("here")
_STATES: dict[str, WorkerState] = {
    psutil.STATUS_STOPPED: "stopped",
    psutil.STATUS_TRACING_STOP: "stopped",
    psutil.STATUS_DISK_SLEEP: "waits",
    psutil.STATUS_ZOMBIE: "gone",
    psutil.STATUS_DEAD: "gone",
}


class LocalMachine:
    """This machine, for one node on it."""

    is_exclusive = False
    python = sys.executable

    def __init__(self, node: Node = _HERE) -> None:
        self._words, self.owned_address, self.meter = node.words, node.owned_address, node.meter
        self.address, self.interface = "127.0.0.1", "lo" if sys.platform == "linux" else "lo0"
        self.data_folder = str(Path.cwd())
        self._open: list[LocalAgent | _LocalProcess] = []

    def enter(self, *, silence_seconds: float | None = None) -> None:
        """Nothing is to be entered."""

    def agent(self, program: str = "steward", *, timeout_seconds: float = ANSWER_SECONDS) -> Agent:  # noqa: ARG002
        """Start the program as a child, whose own limits of time hold."""
        self._open.append(agent := LocalAgent(program))
        return agent

    def look(self, graph: str, wanted: Mapping[str, Sequence[int]]) -> NodeFacts:  # noqa: ARG002
        """Facts, without starting anything. Nothing has to be brought, and no claim keeps anybody out."""
        names = sorted(name for each in ENGINE_PACKAGES.values() for name in each)
        torch = metadata.version("torch") if find_spec("torch") else None
        return NodeFacts(
            **{**premises.machine(torch), **self._words},
            worker=worker_command()[0],
            version=picluster.__version__,
            python=".".join(platform.python_version_tuple()[:2]),
            torch=torch,
            packages={name: "here" if find_spec(name) else None for name in names},
            rsync=True,
            interfaces=premises.interfaces(),
            cache=self.data_folder,
        )

    def unfit(self, seen: NodeFacts, sizes: Mapping[str, int]) -> None:
        """None: what runs here is this very installation, and has its data here."""

    def routes(self, peers: Sequence[str]) -> Mapping[str, tuple[str, str]]:
        """Own address and interface towards each of these addresses."""
        return premises.routes(list(peers))

    def start(self, parcel: Parcel, environment: Mapping[str, str]) -> WorkerProcess:
        """Start a child in a session of its own: Ctrl-C is for the controller alone."""
        process = subprocess.Popen(
            [*worker_command(), *parcel.words],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, **environment},
            start_new_session=True,
        )
        self._open.append(worker := _LocalProcess(process))
        return worker

    def deliver(self, parcel: Parcel) -> Places:
        """Everything is here already."""
        return Places(
            model_file=str(parcel.model_file.absolute()),
            graph_folder=str(parcel.graph_folder.absolute()),
            output_folder=str(parcel.output_folder.absolute()),
            weights_file=str(parcel.weights_file.absolute()) if parcel.weights_file else None,
            layer_files=tuple(str(file.absolute()) for file in parcel.layer_files),
        )

    def fetch(self, path: str, destination: Path) -> None:
        """Move the file."""
        Path(path).replace(destination)

    def worker_state(self) -> WorkerState:
        """State of the worker's process."""
        worker = next((each for each in reversed(self._open) if isinstance(each, _LocalProcess)), None)
        return worker.state() if worker else "gone"

    def ran_out_of_memory(self) -> bool:
        """Not known of this machine, where others work too."""
        return False

    def close(self, *, for_good: bool = True) -> None:  # noqa: ARG002
        """End agents, and close the pipes to the worker; nothing else was left."""
        for each in self._open:
            each.close()


class LocalAgent:
    """A program of `picluster/agent/` as a child process."""

    def __init__(self, program: str) -> None:
        command = [sys.executable, "-m", "picluster.agent.answering", program]
        # In a session of its own: Ctrl-C is for the controller alone, whose end the program sees.
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True)

    def ask(self, question: Question[AnswerType]) -> AnswerType:
        """The answer."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(to_json(question) + b"\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        try:
            return question.read_answer(line)
        except msgspec.DecodeError:
            what = f"a program of picluster on this machine answers {line[:80]!r}"
            raise RunFailed(what, fix=f"see what else prints there: {sys.executable} -c ''") from None

    def close(self) -> None:
        """End it."""
        if self._process.returncode is None:
            self._process.communicate(timeout=ANSWER_SECONDS)


class _LocalProcess:
    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        self._process = process
        self._input = process.stdin
        self._streams = process.stdout, process.stderr
        self.output: Iterable[bytes] = lines_of(process.stdout)  # type: ignore[arg-type]
        self.log: Iterable[bytes] = lines_of(process.stderr)  # type: ignore[arg-type]

    def tell(self, line: bytes) -> None:
        with suppress(BrokenPipeError, ValueError):  # gone, or hung up on
            self._input.write(line)
            self._input.flush()

    def hang_up(self) -> None:
        with suppress(BrokenPipeError):
            self._input.close()

    def wait(self, timeout_seconds: float) -> Exit | None:
        try:
            code = self._process.wait(timeout_seconds)
        except subprocess.TimeoutExpired:
            return None
        return Exit(None, signal.Signals(-code).name) if code < 0 else Exit(code, None)

    def state(self) -> WorkerState:
        with suppress(psutil.NoSuchProcess):
            return _STATES.get(psutil.Process(self._process.pid).status(), "lives")
        return "gone"

    def kill(self) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)

    def close(self) -> None:
        """Close what it would say."""
        for stream in self._streams:
            stream.close()
