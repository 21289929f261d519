"""A worker of a simulated node: the session of `picluster-worker` around the real crew."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from picluster.controller.nodes.machine import Exit, Parcel
from picluster.errors import DataError, PeerLost, PiclusterError
from picluster.refusals import refusal
from picluster.schema.events import Done, Failed, Hardware, Ready, Resources, WorkerEvent
from picluster.schema.job import ORPHANED_EXIT_CODE, Claim, GiveState, Job, Start
from picluster.schema.record import RecordType, from_json, to_json
from picluster.worker.crew import Crew
from picluster.worker.session import FAILED_EXIT_CODE, fault_of
from tests.simulation.engine import meet
from tests.simulation.scheduler import Killed, Process

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import NoReturn

    from tests.simulation.connections import Connection
    from tests.simulation.world import Node, World

IMPORT_SECONDS = (0.3, 2.0)
RESOURCE_SECONDS = 0.5
HARDWARE = Hardware(model="simulated", kernel="", torch="", cores=1, threads=1, numerics="same")
RESOURCES = Resources(
    rss_bytes=1,
    anonymous_bytes=1,
    file_bytes=0,
    peak_rss_bytes=1,
    peak_anonymous_bytes=1,
    limit_bytes=None,
    cpu_share=0.5,
    temperature_celsius=None,
)


class SimulatedSession:
    """One process: reads a claim, a job and a start, trains, and ends by itself when its controller is silent."""

    def __init__(self, world: World, node: Node, parcel: Parcel, connection: Connection) -> None:
        self._world, self._node, self._connection = world, node, connection
        self.process = Process(world.scheduler, f"{parcel.node}#{len(node.workers) + 1}")
        self.run, self.name = parcel.run, parcel.node
        self._system = world.system(self.process)
        self._lines: deque[bytes] = deque()
        self._is_heard = self._is_hung_up = False
        self._grace_seconds = 30.0
        self.exit = Exit(None, "SIGKILL")
        """Told when it dies; unless it ends by itself, somebody kills it."""
        self.process.at_end.append(self._tell_end)
        node.workers.append(self)
        self.process.start(self._work, "session")
        self.process.start(self._listen, "heartbeat")

    def take(self, line: bytes | None) -> None:
        """Take what comes on standard input; None is its end."""
        if line is None:
            self._is_hung_up = True
            return
        self._is_heard = True
        if line.strip():
            self._lines.append(line)

    def _listen(self) -> None:
        def speaks() -> bool:
            return self._is_hung_up or self._is_heard

        while self._wait("heartbeats", speaks, self._grace_seconds) and self._is_heard:
            self._is_heard = False
        self._end(ORPHANED_EXIT_CODE)

    def _work(self) -> None:
        try:
            self._grace_seconds = self._next(Claim).grace_seconds
            self._world.scheduler.sleep(self._world.dice.uniform(*IMPORT_SECONDS) * self._node.slowness, "imports")
            self._system.start_thread(self._tell_resources, name="resources")
            job = self._next(Job)
            crew = Crew(job, self._emit, self._fail, self._system)
            rank, port = job.plan.rank(job.node), self._world.new_port()
            self._emit(Ready(hardware=HARDWARE, rendezvous_port=port if rank == 0 else None, seconds=1.0))
            start = self._next(Start)
            self._system.start_thread(self._take_questions, crew, name="questions")
            crew.work(meet(self._world, self._node, self.process, start, rank))
            self._emit(RESOURCES)
            self._emit(Done())
        except BaseException as error:  # noqa: BLE001  as a session does
            self._fail(error)
        self._end(0)

    def _take_questions(self, crew: Crew) -> None:
        while True:
            crew.give_states(self._next(GiveState).position)

    def _next(self, kind: type[RecordType]) -> RecordType:
        self._wait(f"a {kind.__name__}", lambda: bool(self._lines))
        return from_json(kind, self._lines.popleft(), source=kind.__name__)

    def _wait(self, what: str, ready: Callable[[], bool], seconds: float | None = None) -> bool:
        return self._world.scheduler.wait(what, ready, seconds)

    def _tell_resources(self) -> None:
        while True:
            self._world.scheduler.sleep(RESOURCE_SECONDS, "resources")
            self._emit(RESOURCES)

    def _emit(self, event: WorkerEvent) -> None:
        self._world.scheduler.pause(f"emit {type(event).__name__}")
        self._connection.send(1, ("output", to_json(event) + b"\n"))

    def _fail(self, error: BaseException) -> None:
        if isinstance(error, Killed):
            raise error
        fault = fault_of(error)
        if isinstance(error, OSError) and (refused := refusal(error)):
            error = DataError(refused[0], fix=refused[1])
        if isinstance(error, PiclusterError):
            echo = isinstance(error, PeerLost)
            self._emit(Failed(cause=error.what, fix=error.fix, expected=True, fault=fault, lost_peer=echo))
        else:
            self._world.scheduler.broken.append(f"{self.process.name}: {type(error).__name__}: {error}")
            self._emit(Failed(cause=f"{type(error).__name__}: {error}", expected=False, fault=fault))
        self._end(FAILED_EXIT_CODE)

    def _end(self, code: int) -> NoReturn:
        self._world.scheduler.pause(f"exit {code}")
        self.exit = Exit(code, None)
        self.process.kill()
        raise Killed

    def _tell_end(self) -> None:
        self._connection.send(1, ("log", f"ended: {self.exit}\n".encode()))
        self._connection.send(1, ("exit", self.exit))
