"""Roles of one worker, made from its job and set to work together."""

from __future__ import annotations

import ipaddress
import socket
from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from picluster.graph.folder import GraphFolder
from picluster.schema.events import WorkerEvent
from picluster.schema.job import Endpoint, Job, Start
from picluster.schema.state import Position
from picluster.system import SYSTEM, System
from picluster.worker.engines import check, connect
from picluster.worker.engines.base import Engine, Peers
from picluster.worker.roles.context import RoleContext
from picluster.worker.roles.sampler_role import SamplerRole
from picluster.worker.wire.links import Channel, Links, Mailroom, ring_sum
from picluster.worker.wire.tracer import Tracer

if TYPE_CHECKING:
    from picluster.worker.compute.stage import Stage


class Crew:
    """Sampler, stage, or both; where both share a worker the sampler runs in a thread of its own."""

    def __init__(
        self,
        job: Job,
        emit: Callable[[WorkerEvent], None],
        fail: Callable[[BaseException], None],
        system: System = SYSTEM,
    ) -> None:
        """Open the graph and build the model; `fail` ends the worker when the sampler's thread breaks."""
        check(job.plan.engine)
        self._job, self._emit, self._fail, self._system = job, emit, fail, system
        self._graph = GraphFolder.open(Path(job.graph_folder), job.plan.arrays_of(job.node))
        self._rank = job.plan.rank(job.node)
        self._stage: Stage | None = None
        if job.plan.stage_of(job.node) is not None:  # a node that only samples does without torch
            from picluster.worker.roles.stage_of_job import build_stage

            self._stage = build_stage(job, self._graph)
        self._states_wanted: set[Position] = set()
        self._machines: dict[bytes, str] = {}

    @property
    def computes(self) -> bool:
        """True where this node holds a stage: else nothing here needs torch, but perhaps the engine."""
        return self._stage is not None

    def give_states(self, position: Position) -> None:
        """Give the layers' states when the training comes to a position; any thread may ask."""
        self._states_wanted.add(position)

    def meet(self, start: Start, listener: socket.socket | None) -> Engine:
        """Connect to the other workers; returns when all are there."""
        self._machines = nodes_by_address(start.endpoints, self._rank)
        peers = Peers(
            self._rank,
            start.endpoints,
            self._job.interface,
            bytes.fromhex(start.token),
            listener,
            start.silence_seconds,
            self._fail,
        )
        return connect(self._job.plan.engine, peers)

    def work(self, engine: Engine) -> None:
        """Train, test, and part when everybody is done."""
        mailroom, weights = Mailroom(self._system), self._job.weights_file
        works: list[Callable[[], None]] = []
        clock = None
        if self._job.node in self._job.plan.sampler:
            context = self._role_context(engine, mailroom, "sampler")
            sampler, clock = SamplerRole(context, self._graph), context.links.clock
            works.append(sampler.predict if weights else sampler.run)
        if self._stage is not None:
            from picluster.worker.roles.stage_role import StageRole

            context = self._role_context(engine, mailroom, "stage")
            role = StageRole(context, self._stage, self._graph, clock)
            works.append(partial(role.predict, Path(weights)) if weights else role.run)
        *beside, last = works
        threads = [self._system.start_thread(self._guarded, work, name="sampler") for work in beside]
        last()
        for thread in threads:
            thread.join()
        links = Links(engine, Mailroom(self._system), self._rank, self._system)
        ring_sum(links, range(len(self._job.plan.nodes)), np.zeros(1), (0, 0, 0), Channel.GOODBYE)
        links.flush()
        engine.close()

    def _role_context(self, engine: Engine, mailroom: Mailroom, role: Literal["sampler", "stage"]) -> RoleContext:
        tracer = Tracer(role, self._job.plan.nodes, self._system.now) if self._job.trace else None
        links = Links(engine, mailroom, self._rank, self._system, tracer)
        return RoleContext(
            self._job,
            self._graph.meta,
            links,
            self._emit,
            self._fail,
            self._system,
            self._states_wanted,
            self._machines,
        )

    def _guarded(self, work: Callable[[], None]) -> None:
        try:
            work()
        except BaseException as error:  # noqa: BLE001  it must reach the controller, whatever it is
            self._fail(error)


def nodes_by_address(endpoints: Sequence[Endpoint], rank: int) -> dict[bytes, str]:
    """Map addresses, as sockets know them, to the nodes there: those that have one of their own."""
    nodes = Counter(each.address for each in endpoints)
    return {
        ipaddress.ip_address(each.address).packed: each.node
        for at, each in enumerate(endpoints)
        if at != rank and nodes[each.address] == 1
    }
