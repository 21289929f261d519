"""Gauges of all nodes, read again and again: each machine by a thread of its own, so that none waits for another."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from contextlib import closing
from typing import TYPE_CHECKING, Self

import msgspec

from picluster.controller.nodes.reaching import machines_of, new_machine, visited_as
from picluster.errors import PiclusterError
from picluster.schema.agent import ReadGauges
from picluster.schema.gauges import Gauges, NodeReading, Occupant, Readings

if TYPE_CHECKING:
    from picluster.controller.nodes.inventory import Node

ANSWER_SECONDS = 6.0
"""Time for a node to tell; one that takes longer is shown as one that does not answer."""
FIRST_SECONDS = 0.5
"""Time between the first two readings, from which the first share of the processor's time follows."""
SETTLE_SECONDS = 15.0
"""Time for all nodes to tell for the first time, or to fail: connecting may take long."""
_LEAVE_SECONDS = 2.0


class NodeWatch:
    """Watches nodes while it is entered. A node that fails is asked again, over a new connection."""

    def __init__(self, nodes: Sequence[Node], every_seconds: float) -> None:
        """Ask each node every so many seconds; those that are processes of this machine are asked as one."""
        self._nodes = {node.name: node for node in nodes}
        machines = machines_of(nodes)
        self._asked_as = visited_as(machines)
        self._last = {name: NodeReading(name=name, local=not each.is_exclusive) for name, each in machines.items()}
        self._told: dict[str, float] = {}
        self._every_seconds = every_seconds
        self._trouble: BaseException | None = None
        self._changed = threading.Condition()
        self._ended = threading.Event()
        self._threads = [
            threading.Thread(target=self._follow, args=(name,), name=f"watching {name}", daemon=True)
            for name in dict.fromkeys(self._asked_as.values())
        ]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """End the conversations; one that hangs is left to itself."""
        self._ended.set()
        deadline = time.monotonic() + _LEAVE_SECONDS
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))

    def settle(self) -> None:
        """Wait until every node has told what it has in use, with its processor, or has failed."""
        deadline = time.monotonic() + SETTLE_SECONDS
        with self._changed:
            while not self._trouble and time.monotonic() < deadline:
                if all(each.problem or each.cpu_share is not None for each in self._last.values()):
                    break
                self._changed.wait(0.1)  # a signal may come meanwhile
            for name, each in self._last.items():
                if each.seconds_ago is None and not each.problem:
                    what = f"it has not answered within {SETTLE_SECONDS:g} s"
                    self._last[name] = msgspec.structs.replace(each, problem=what, fix="see whether it is on")

    def readings(self) -> Readings:
        """Last readings of all nodes. What no thread should meet is raised."""
        with self._changed:
            if self._trouble:
                raise self._trouble
            nodes = tuple(self._aged(each) for each in self._last.values())
        return Readings(time=time.time(), nodes=nodes)

    def _aged(self, node: NodeReading) -> NodeReading:
        """The last reading of a node with its age."""
        told = self._told.get(node.name)
        return node if told is None else msgspec.structs.replace(node, seconds_ago=round(time.monotonic() - told, 1))

    def _follow(self, name: str) -> None:
        """Ask a machine until the watch ends."""
        while not self._ended.is_set():
            try:
                self._converse(name)
            except PiclusterError as error:
                self._put_problem(name, error)
            except BaseException as error:  # noqa: BLE001  it is raised where the readings are wanted
                with self._changed:
                    self._trouble = error
                return
            self._ended.wait(self._every_seconds)

    def _converse(self, name: str) -> None:
        """Connect, and ask again and again."""
        before: Gauges | None = None
        with closing(new_machine(self._nodes[name])) as machine:
            machine.enter(silence_seconds=ANSWER_SECONDS)
            agent = machine.agent("gauge", timeout_seconds=ANSWER_SECONDS)
            while not self._ended.is_set():
                now = agent.ask(ReadGauges(folder=machine.data_folder))
                self._put(name, now, before)
                self._ended.wait(self._every_seconds if before else min(FIRST_SECONDS, self._every_seconds))
                before = now

    def _put(self, asked: str, now: Gauges, before: Gauges | None) -> None:
        with self._changed:
            for name in self._of(asked):
                self._last[name] = reading_of(self._last[name], now, now.cpu_share_since(before))
                self._told[name] = time.monotonic()
            self._changed.notify_all()

    def _put_problem(self, asked: str, error: PiclusterError) -> None:
        with self._changed:
            for name in self._of(asked):
                local = self._last[name].local
                self._last[name] = NodeReading(name=name, local=local, problem=error.what, fix=error.fix)
                self._told.pop(name, None)
            self._changed.notify_all()

    def _of(self, asked: str) -> list[str]:
        """Nodes for which a machine answers."""
        return [name for name, machine in self._asked_as.items() if machine == asked]


def reading_of(node: NodeReading, now: Gauges, cpu_share: float | None) -> NodeReading:
    """Reading of a node from what its machine tells. Pure."""
    return NodeReading(
        name=node.name,
        local=node.local,
        seconds_ago=0.0,
        memory_used_bytes=now.used_bytes,
        memory_limit_bytes=now.limit_bytes,
        cpu_share=cpu_share,
        cores=now.cores,
        celsius=now.celsius,
        throttled=now.throttled,
        held_back=now.held_back,
        free_bytes=now.free_bytes,
        workers=_workers(node, now),
    )


def _workers(node: NodeReading, now: Gauges) -> tuple[Occupant, ...]:
    """Workers on the node. An inventory of another person may call a machine otherwise: then all there are its own."""
    own = [claim for claim in now.claims if claim.node == node.name]
    if not own and not node.local:
        own = [claim for claim in now.claims if claim.is_exclusive]
    return tuple(
        Occupant(run=claim.run, role=claim.role, user=claim.controller.user, since=claim.since) for claim in own
    )
