"""The world of a schedule: a person's machine, and nodes with power, disks, links and workers."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from picluster.errors import Stopped
from tests.simulation.connections import Connection
from tests.simulation.disks import Disk, Disks
from tests.simulation.scheduler import Process, Scheduler, SimulatedThread
from tests.simulation.system import system_of

if TYPE_CHECKING:
    from tests.simulation.worker import SimulatedSession

GRACE_SECONDS = 5.0


class Node:
    """One simulated Pi."""

    def __init__(self, name: str, disk: Disk) -> None:
        self.name, self.disk = name, disk
        self.has_power, self.boots = True, 1
        self.ssh_is_cut = self.data_is_cut = False
        self.slowness = self.lateness = 1.0
        self.workers: list[SimulatedSession] = []
        """Sessions that were started there, those that have ended too."""

    @property
    def living(self) -> list[Process]:
        """Workers that have not ended."""
        return [worker.process for worker in self.workers if not worker.process.is_dead]


class World:
    """Everything outside of picluster's own code."""

    def __init__(self, scheduler: Scheduler, disks: Disks, names: list[str]) -> None:
        self.scheduler = scheduler
        self.nodes = {name: Node(name, disks.add(name)) for name in names}
        self.desk = disks.add("desk")
        """Disk of the person's machine."""
        self.person = Process(scheduler, "world")
        self.controllers: list[Process] = []
        self.main: SimulatedThread | None = None
        """Main thread of the newest of these."""
        self.date_offset = 0.0
        """Seconds by which clocks were set forward, or back."""
        self.damages: list[str] = []
        """Each spoils one file on its way, the next one: `cut` or `flip`."""
        self.meetings: dict[str, Any] = {}
        """Data planes of the attempts."""
        self.struck: set[str] = set()
        """Nodes that a fault has struck; `desk` for the person's machine."""
        self.training_began: int | None = None
        """Step of the scheduler at which workers met for the first time."""
        self.has_spoilt_states = False
        """True where something happened to a training state on the person's disk."""
        self._connections: list[tuple[Connection, dict[Node, int]]] = []
        self._ports = 4000

    @property
    def dice(self) -> random.Random:
        """The source of all chance."""
        return self.scheduler.dice

    @property
    def shortest_noticed_cut(self) -> float:
        """A cut that lasts longer may be noticed."""
        return GRACE_SECONDS - 1.5

    def ssh_connections(self, node: Node) -> list[Connection]:
        """Connections of the person's machine to a node."""
        return [made for made, boots in self._connections if list(boots) == [node]]

    def fail_disk(self, disk: Disk, number: int, seconds: float) -> None:
        """Have a disk take nothing for a while."""
        disk.errno = number
        self.scheduler.at(self.scheduler.now + seconds, lambda: setattr(disk, "errno", 0))

    def interrupt(self) -> None:
        """Press Ctrl-C: the newest controller's main thread hears of it when it runs next, and only of the first."""
        if (main := self.main) is not None and not main.was_interrupted:
            main.was_interrupted = True
            main.interruption = Stopped("stopped by Ctrl-C", by="Ctrl-C")

    def new_port(self) -> int:
        """A port that was never used."""
        self._ports += 1
        return self._ports

    def new_controller(self) -> Process:
        """A process on the person's machine."""
        process = Process(self.scheduler, f"controller{len(self.controllers) + 1}")
        self.controllers.append(process)
        return process

    def connect(
        self,
        ends: tuple[Node | None, Node],
        takers: tuple[Callable[[Any], None], Callable[[Any], None]],
        silences: tuple[float | None, float | None],
    ) -> Connection:
        """Connect two nodes over the data plane, or the person's machine (None) with one by SSH."""
        boots = {node: node.boots for node in ends if node}

        def is_up() -> bool:
            well = all(node.has_power and node.boots == boot for node, boot in boots.items())
            cut = any(node.data_is_cut if ends[0] else node.ssh_is_cut for node in boots)
            return well and not cut

        made = Connection(self.scheduler, is_up, takers, silences, lambda: max(node.lateness for node in boots))
        self._connections.append((made, boots))
        return made

    def changed(self) -> None:
        """Have all connections notice that something was cut or mended."""
        for connection, _ in self._connections:
            connection.update()

    def cut_power(self, node: Node) -> None:
        """Everything on a node is gone without a word."""
        self.scheduler.note(f"{node.name} has no power")
        node.has_power = False
        for process in node.living:
            process.at_end.clear()
            process.kill()
        self.changed()

    def give_power(self, node: Node) -> None:
        """It boots; who still speaks to what was there before is told that it is gone."""
        if node.has_power:
            return
        node.has_power, node.boots = True, node.boots + 1
        for connection, boots in self._connections:
            if node in boots:
                for side in (0, 1):
                    connection.break_off(side)
        self.changed()

    def mend(self) -> None:
        """Set everything right that the next attempt needs."""
        for node in self.nodes.values():
            self.give_power(node)
            node.ssh_is_cut = node.data_is_cut = False
            node.slowness = node.lateness = 1.0
            node.disk.errno = 0
            for process in node.living:
                process.is_frozen = False
        self.desk.errno = 0
        self.damages.clear()
        self.changed()

    def system(self, process: Process) -> Any:
        """The system that a process sees."""
        return system_of(process, self.scheduler, date_offset=lambda: self.date_offset)

    def spoil(self, content: bytes) -> bytes:
        """Content of a file as it arrives."""
        if not self.damages or not content:
            return content
        damage = self.damages.pop()
        at = self.dice.randrange(len(content))
        self.scheduler.note(f"{damage} at {at}")
        if damage == "cut":
            return content[:at]
        return content[:at] + bytes([content[at] ^ (1 << self.dice.randrange(8))]) + content[at + 1 :]
