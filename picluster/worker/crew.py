"""Roles of one worker, made from its job and set to work together."""

from __future__ import annotations

import socket
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from picluster.graph.folder import GraphFolder
from picluster.nn import source_of
from picluster.schema.events import WorkerEvent
from picluster.schema.job import Job, Start
from picluster.schema.state import Position
from picluster.system import SYSTEM, System
from picluster.worker.compute.checkpoint import check_file, read_state
from picluster.worker.compute.model_file import build
from picluster.worker.compute.stage import Stage, StageData
from picluster.worker.engines import check, connect
from picluster.worker.engines.base import Engine, Peers
from picluster.worker.measuring.memory import fits_easily
from picluster.worker.roles.context import RoleContext
from picluster.worker.roles.sampler_role import SamplerRole
from picluster.worker.roles.stage_role import StageRole
from picluster.worker.wire.links import Channel, Links, Mailroom, ring_sum
from picluster.worker.wire.tracer import Tracer


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
        torch.set_num_threads(1)  # products of few rows differ in their last bits between one thread and two
        self._job, self._emit, self._fail, self._system = job, emit, fail, system
        self._graph = GraphFolder.open(Path(job.graph_folder), job.plan.arrays_of(job.node))
        self._rank = job.plan.rank(job.node)
        self._stage = build_stage(job, self._graph)
        self._states_wanted: set[Position] = set()

    def give_states(self, position: Position) -> None:
        """Give the layers' states when the training comes to a position; any thread may ask."""
        self._states_wanted.add(position)

    def meet(self, start: Start, listener: socket.socket | None) -> Engine:
        """Connect to the other workers; returns when all are there."""
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
            context = self._role_context(engine, mailroom, "stage")
            role = StageRole(context, self._stage, self._graph, clock)
            works.append(partial(role.predict, Path(weights)) if weights else role.run)
        *beside, last = works
        threads = [self._system.start_thread(self._guarded, work, name="sampler") for work in beside]
        last()
        for thread in threads:
            thread.join()
        links = Links(engine, Mailroom(self._system), self._rank, self._system)
        ring_sum(links, range(len(self._job.plan.nodes)), torch.zeros(1), (0, 0, 0), Channel.GOODBYE)
        links.flush()
        engine.close()

    def _role_context(self, engine: Engine, mailroom: Mailroom, role: Literal["sampler", "stage"]) -> RoleContext:
        tracer = Tracer(role, self._job.plan.nodes, self._system.now) if self._job.trace else None
        links = Links(engine, mailroom, self._rank, self._system, tracer)
        return RoleContext(
            self._job, self._graph.meta, links, self._emit, self._fail, self._system, self._states_wanted
        )

    def _guarded(self, work: Callable[[], None]) -> None:
        try:
            work()
        except BaseException as error:  # noqa: BLE001  it must reach the controller, whatever it is
            self._fail(error)


def build_stage(job: Job, graph: GraphFolder) -> Stage | None:
    """Build the stage that a job's node holds, in its state where the job begins; None where the node only samples."""
    meta, index = graph.meta, job.plan.stage_of(job.node)
    if index is None:
        return None
    numbers, receives = job.plan.stages[index].layers, job.plan.stages[index].receives
    options = {**job.spec.model.options, "depth": job.spec.model.depth}
    check_file(Path(job.model_file), job.model_sha256)
    model = build(Path(job.model_file), meta.features, meta.classes, options, job.spec.seed)
    data = StageData(
        graph_degrees=torch.from_numpy(np.diff(graph.array("indptr")).astype(np.int32)),
        features=_features(graph) if numbers[0] == 1 else None,
        labels=torch.from_numpy(graph.array("labels")) if numbers[-1] == len(model) else None,
    )
    cores = job.plan.cores_of(job.node)
    stage = Stage(model, numbers, receives=receives, spec=job.spec, width=meta.features, data=data, cores=cores)
    if job.begin.layer_files:
        checksums = job.begin.checksums or [""] * len(numbers)
        files = zip(numbers, job.begin.layer_files, checksums, strict=True)
        stage.take_state({number: read_state(Path(file), sha256) for number, file, sha256 in files})
    return stage


def _features(graph: GraphFolder) -> Tensor:
    """Features of all nodes, as layers read them."""
    stored = graph.array("features", read_ahead=fits_easily(graph.meta.files["features"].bytes))
    return source_of(torch.from_numpy(stored))
