"""A simulated node as the controller sees it: entered, looked at, given a worker, asked for files."""

from __future__ import annotations

import shutil
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, cast

import picluster
from picluster.controller.nodes.fitness import unfit
from picluster.controller.nodes.machine import ANSWER_SECONDS, STATE_SECONDS, Agent, Exit, Parcel, Places
from picluster.controller.nodes.shipping import bring_whole
from picluster.errors import DataError, PiclusterError, RunFailed
from picluster.graph.folder import sha256
from picluster.schema.facts import Claimed, NodeFacts
from picluster.schema.run import Controller
from tests.simulation.worker import SimulatedSession

if TYPE_CHECKING:
    from picluster.schema.events import WorkerState
    from tests.simulation.connections import Connection
    from tests.simulation.world import Node, World

CONNECT_SECONDS = 5.0
CALL_SECONDS = (0.02, 0.2)
SHIP_SECONDS = (0.05, 2.0)
FETCH_SECONDS = (0.005, 0.08)
KILL_SECONDS = 5.0
HANG_UP = b""
"""Stands for the end of standard input."""


@contextmanager
def disk_errors(what: str) -> Iterator[None]:
    """Raise what a real machine does where the node's disk takes nothing."""
    try:
        yield
    except OSError as error:
        raise DataError(f"{what}: {error.strerror}", fix="free space there", fault="disk") from error


class SimulatedWorker:
    """The controller's end of a worker's standard streams."""

    def __init__(self, machine: SimulatedMachine, session: SimulatedSession) -> None:
        self._machine, self._session, self._scheduler = machine, session, machine.world.scheduler
        self._lines: dict[str, deque[bytes]] = {"output": deque(), "log": deque()}
        self._exit: Exit | None = None
        self._is_over = False
        self.output = cast("BinaryIO", self._read("output"))
        self.log = cast("BinaryIO", self._read("log"))

    def take(self, thing: tuple[str, bytes | Exit] | None) -> None:
        """Take what arrives; None: nothing comes any more."""
        if thing is None:
            self._is_over = True
        elif isinstance(thing[1], Exit):
            self._exit, self._is_over = thing[1], True
        else:
            self._lines[thing[0]].append(thing[1])

    def _read(self, stream: str) -> Iterator[bytes]:
        lines = self._lines[stream]
        while self._scheduler.wait(f"read {stream}", lambda: bool(lines) or self._is_over):
            if not lines:
                return
            yield lines.popleft()

    def tell(self, line: bytes) -> None:
        self._scheduler.pause("tell")
        self._machine.connection.send(0, line)

    def hang_up(self) -> None:
        self._scheduler.pause("hang up")
        self._machine.connection.send(0, HANG_UP)

    def wait(self, timeout_seconds: float) -> Exit | None:
        self._scheduler.wait("exit", lambda: self._is_over or self._exit is not None, timeout_seconds)
        return self._exit or (Exit(None, None) if self._is_over else None)

    def kill(self) -> None:
        if self._machine.is_reached("kill", KILL_SECONDS):
            for worker in self._machine.node.workers:
                if (worker.run, worker.name) == (self._session.run, self._session.name):
                    worker.process.kill()
        self._machine.connection.end(0)
        self._is_over = True


class SimulatedMachine:
    """Protocol `Machine`."""

    is_exclusive = True
    python = "python3"
    data_folder = ""
    owned_address: str | None = None
    meter: str = ""

    def __init__(self, world: World, node: Node) -> None:
        self.world, self.node = world, node
        self.address, self.interface = f"10.0.0.{1 + list(world.nodes).index(node.name)}", "eth0"
        self._connection: Connection | None = None
        self._worker: SimulatedWorker | None = None
        self._session: SimulatedSession | None = None
        self._folder: Path | None = None

    @property
    def connection(self) -> Connection:
        """The SSH connection."""
        assert self._connection is not None
        return self._connection

    def enter(self, *, silence_seconds: float | None = None) -> None:
        if not self.is_reached("connect", CONNECT_SECONDS):
            what = f"{self.node.name} cannot be reached"
            raise RunFailed(what, fix="see whether it is switched on", fault="unreachable")
        controller = self.world.scheduler.current.process
        takers = (self._take_here, self._take_there)
        made = self.world.connect((None, self.node), takers, (silence_seconds, None))
        self._connection = made
        controller.at_end.append(lambda: made.end(0))

    def agent(self, program: str = "steward", *, timeout_seconds: float = ANSWER_SECONDS) -> Agent:
        raise NotImplementedError

    def look(self, graph: str, wanted: Mapping[str, Sequence[int]]) -> NodeFacts:  # noqa: ARG002
        self._call("look")
        return NodeFacts(
            name=self.node.name,
            memory_bytes=1 << 30,
            cores=4,
            numerics="same",
            worker="picluster-worker",
            version=picluster.__version__,
            torch="simulated",
            claims=self._claims(),
            ssh_address=self.address,
            interfaces={self.address: self.interface},
        )

    def _claims(self) -> tuple[Claimed, ...]:
        living = [worker for worker in self.node.workers if not worker.process.is_dead]
        leader = Controller(host="desk", pid=1, started=0.0)
        return tuple(Claimed(worker.run, worker.name, True, leader, 1, 1, 0.0) for worker in living)  # noqa: FBT003

    def unfit(self, seen: NodeFacts, sizes: Mapping[str, int]) -> PiclusterError | None:
        return unfit(seen, "", sizes)

    def routes(self, peers: Sequence[str]) -> Mapping[str, tuple[str, str]]:
        self._call("routes")
        return dict.fromkeys(peers, (self.address, self.interface))

    def start(self, parcel: Parcel, environment: Mapping[str, str]) -> SimulatedWorker:  # noqa: ARG002
        self._call("start")
        self._folder = self.node.disk.folder / parcel.run / parcel.node
        with disk_errors("the worker cannot be started"):
            self._folder.mkdir(parents=True, exist_ok=True)
        self._session = SimulatedSession(self.world, self.node, parcel, self.connection)
        self._worker = SimulatedWorker(self, self._session)
        return self._worker

    def deliver(self, parcel: Parcel) -> Places:
        self._call("ship", SHIP_SECONDS)
        return Places(
            model_file=str(parcel.model_file),
            graph_folder=str(parcel.graph_folder),
            output_folder=str(self._folder),
            weights_file=None,
            layer_files=tuple(self._bring(parcel)),
        )

    def _bring(self, parcel: Parcel) -> list[str]:
        """Bring the states of layers there, whole."""
        files, folder = parcel.layer_files, self._folder
        assert folder is not None

        def find_damaged(checksums: dict[str, str]) -> list[str]:
            self._call("verify")
            return [name for name, expected in checksums.items() if sha256(folder / name) != expected]

        bring_whole(files, files, parcel.checksums, self._ship, find_damaged)
        return [str(folder / file.name) for file in files]

    def _ship(self, files: Sequence[Path]) -> None:
        for file in files:
            self._ship_one(file)

    def _ship_one(self, file: Path) -> None:
        """As rsync does: a file that is there already stays as it is."""
        assert self._folder is not None
        self._call("ship a state", FETCH_SECONDS)
        there, content = self._folder / file.name, file.read_bytes()
        if not there.exists() or there.read_bytes() != content:
            with disk_errors("its disk is full"):
                there.write_bytes(self.world.spoil(content))

    def fetch(self, path: str, destination: Path) -> None:
        self._call("fetch", FETCH_SECONDS)
        try:
            content = Path(path).read_bytes()
        except FileNotFoundError:
            raise
        except OSError as error:
            raise RunFailed(f"copying a file failed: {error}", fix="picluster doctor", fault="unreachable") from error
        destination.write_bytes(self.world.spoil(content))

    def worker_state(self) -> WorkerState:
        if not self.is_reached("state", STATE_SECONDS):
            raise RunFailed("it gives no answer", fault="unreachable")
        process = self._session.process if self._session else None
        if process is None or process.is_dead:
            return "gone"
        return "stopped" if process.is_frozen else "lives"

    def ran_out_of_memory(self) -> bool:
        return False

    def close(self, *, for_good: bool = True) -> None:
        self.world.scheduler.pause("close")
        if self._folder and for_good and self.is_reached("remove", KILL_SECONDS):
            shutil.rmtree(self._folder, ignore_errors=True)
        if self._connection:
            self._connection.end(0)
        if self._worker:
            self._worker.take(None)

    def is_reached(self, what: str, seconds: float) -> bool:
        """True where the node answers within some time."""
        node = self.node
        if not self.world.scheduler.wait(what, lambda: node.has_power and not node.ssh_is_cut, seconds):
            return False
        self.world.scheduler.sleep(self.world.dice.uniform(*CALL_SECONDS) * node.slowness, what)
        return node.has_power

    def _call(self, what: str, seconds: tuple[float, float] = CALL_SECONDS) -> None:
        """Let the node do something. RunFailed where the connection breaks meanwhile."""
        scheduler, connection = self.world.scheduler, self.connection
        taken = self.world.dice.uniform(*seconds) * self.node.slowness
        scheduler.wait(what, lambda: connection.is_closed[0], taken)  # what is under way ends with its connection
        scheduler.wait(what, lambda: connection.is_closed[0] or connection.is_up, ANSWER_SECONDS)
        if connection.is_closed[0] or not connection.is_up:
            raise RunFailed(f"SSH to {self.node.name} broke off", fix="try again", fault="unreachable")

    def _take_here(self, thing: tuple[str, bytes | Exit] | None) -> None:
        if self._worker:
            self._worker.take(thing)

    def _take_there(self, thing: bytes | None) -> None:
        if self._session:
            self._session.take(thing or None)
