"""One attempt at a run, made: nodes reached, folder begun, workers led to a result."""

from __future__ import annotations

import os
import platform
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

import picluster
from picluster.controller.nodes.data_plane import data_planes
from picluster.controller.nodes.fan_out import NodesFailed, all_or_none
from picluster.controller.nodes.fitness import Busy, notes, without_engine
from picluster.controller.nodes.reaching import enter_all, leave_all, look_all
from picluster.controller.nodes.shipping import checksums_of, files_of, state_of
from picluster.controller.planning.request import Every
from picluster.controller.record.all_runs import create_run
from picluster.controller.record.leader import this_controller
from picluster.controller.record.record_files import write_record
from picluster.controller.record.run_folder import RunFolder
from picluster.controller.running.launch import Launch, Prediction
from picluster.controller.running.launcher import Launcher
from picluster.graph.folder import DTYPES
from picluster.schema.run import Environment, Run
from picluster.schema.state import Beginning
from picluster.system import SYSTEM, System

if TYPE_CHECKING:
    from picluster.controller.nodes.machine import Machine
    from picluster.controller.planning.request import LaunchRequest
    from picluster.controller.running.observer import Observer
    from picluster.controller.running.placement import Placement
    from picluster.controller.running.task import Task
    from picluster.graph.folder import GraphFolder
    from picluster.schema.facts import NodeFacts
    from picluster.schema.plan import Plan
    from picluster.schema.run import Failure, Result
    from picluster.schema.spec import Spec

WAIT_SECONDS = 2.0
"""Between two looks at a node that is busy."""
OWN_CLAIM_SECONDS = 5.0
"""Time, beyond the grace, in which a worker that was cut off leaves its node free."""


@dataclass(frozen=True, kw_only=True)
class TakeUp:
    """The beginning of an attempt, which need not be that of the run."""

    attempt: int = 1
    begin: Beginning = field(default_factory=Beginning)
    goes_on: Callable[[Failure], bool] = lambda _: False
    """True for a failure after which there will be another attempt: then nodes keep what they have."""


def make_run(
    spec: Spec,
    graph: GraphFolder,
    plan: Plan,
    placement: Placement,
    observer: Observer,
    begin: Callable[[], RunFolder],
    prediction: Prediction | None = None,
    take_up: TakeUp | None = None,
) -> Result:
    """Carry a plan out, in the folder that `begin` makes with the model's file; with a `prediction`, predict.

    Where a node failed, the result is not recorded yet.
    """
    request, machines, take_up = placement.request, placement.machines(plan), take_up or TakeUp()
    system = placement.means.system
    patience_seconds = inf if request.wait else 0.0 if take_up.attempt == 1 else request.grace + OWN_CLAIM_SECONDS
    with reached(
        machines,
        plan,
        graph.path,
        observer.note,
        silence_seconds=request.grace,
        patience_seconds=patience_seconds,
        system=system,
    ) as there:
        folder = begin()
        if folder not in observer.folders:
            observer.folders.append(folder)
        launch = Launch(
            spec=spec,
            plan=plan,
            model_file=folder.model_file.absolute(),
            graph_folder=graph.path,
            checksums=checksums_of(graph),
            transports=there.transports,
            grace_seconds=request.grace,
            folder=folder,
            facts={node.name: node for node in (*placement.facts, *placement.others)},
            prediction=prediction,
            attempt=take_up.attempt,
            begin=take_up.begin,
            every=Every() if prediction else Every.read(request.checkpoint_every),
            trace=request.trace,
            epoch_steps=spec.steps(graph.meta.splits["train"]),
        )
        with observer.running(folder, spec, plan, graph.meta) as watch:
            result = Launcher(launch, watch, system).run()
        there.for_good = result.failure is None or not take_up.goes_on(result.failure)
        return result


@dataclass
class Reached:
    """Machines that are connected and fit."""

    transports: dict[str, Machine]
    for_good: bool = True
    """True where they are let go of in the end, False where the run will go on."""


@contextmanager
def reached(
    machines: Mapping[str, Machine],
    plan: Plan,
    graph: Path,
    note: Callable[[str, str], None],
    *,
    silence_seconds: float,
    patience_seconds: float = 0.0,
    system: System = SYSTEM,
) -> Iterator[Reached]:
    """Connect to the nodes of a plan, when all of them are fit for it, and let go of them at the end.

    `note` is told of what works and should be known nevertheless, and of busy nodes, which are waited for as long as
    `patience_seconds`. A connection over which nothing is acknowledged for `silence_seconds` breaks. NodesFailed where
    some cannot be used; nothing was started anywhere.
    """
    there = Reached({})
    try:
        all_or_none(enter_all(machines, silence_seconds, system=system))
        seen = _find_fit(machines, plan, graph, note, patience_seconds, system)
        lacking = {name: without_engine(each.packages, plan.engine) for name, each in seen.items()}
        if errors := {name: error for name, error in lacking.items() if error}:
            raise NodesFailed(errors)
        for name, (address, interface) in all_or_none(data_planes(machines, seen, system)).items():
            machines[name].address, machines[name].interface = address, interface
        for text in notes(seen):
            note("note", text)
        there.transports = {name: machines[name] for name in plan.nodes}
        yield there
    finally:
        leave_all(machines, for_good=there.for_good, system=system)


def _find_fit(
    machines: Mapping[str, Machine],
    plan: Plan,
    graph: Path,
    note: Callable[[str, str], None],
    patience_seconds: float,
    system: System,
) -> dict[str, NodeFacts]:
    """Facts of the nodes, when all of them are fit."""
    deadline = system.now() + patience_seconds
    sizes = {file.name: file.stat().st_size for file in files_of(graph, DTYPES)}
    told = ""

    def wanted(name: str) -> Mapping[str, Sequence[int]]:
        return state_of(files_of(graph, plan.arrays_of(name)))

    while True:
        seen = all_or_none(look_all(machines, graph.name, wanted, system))
        reasons = {name: machines[name].unfit(each, sizes) for name, each in seen.items()}
        errors = {name: reason for name, reason in reasons.items() if reason}
        if not errors:
            return seen
        if system.now() >= deadline or not all(isinstance(error, Busy) for error in errors.values()):
            raise NodesFailed(errors)
        if (reason := "; ".join(f"{name} is {error.what}" for name, error in errors.items())) != told:
            note("waiting", told := reason)
        system.sleep(WAIT_SECONDS)


def begin_run(task: Task, plan: Plan, request: LaunchRequest) -> RunFolder:
    """The run folder, with all that is known before anything starts. Where that fails, nothing of the run remains."""
    folder = create_run(task.spec.model.name, task.spec.dataset)
    try:
        _begin(folder, task, plan, request)
    except (Exception, KeyboardInterrupt):
        shutil.rmtree(folder.path, ignore_errors=True)
        raise
    return folder


def _begin(folder: RunFolder, task: Task, plan: Plan, request: LaunchRequest) -> None:
    folder.keep_model(task.model_file)
    run = Run(
        run=folder.name,
        started=time.time(),
        spec=task.spec,
        graph=task.graph.meta,
        controller=this_controller(),
        tag=request.tag,
        pretraining=task.pretraining,
    )
    typed = Path(sys.argv[0])  # none of ours, where a script or a notebook launches
    words = (str(typed) if typed.name == "picluster" else "picluster", "launch", *request.words())
    environment = Environment(
        picluster=picluster.__version__,
        python=platform.python_version(),
        system=f"{platform.system()} {platform.release()}",
        machine=platform.machine(),
        cores=os.cpu_count() or 1,
        memory_bytes=psutil.virtual_memory().total,
        command=tuple(os.fsencode(word).decode(errors="replace") for word in words),
    )
    if task.prepares:
        write_record(folder.training_file, task.prepares)
    folder.begin(run, plan, environment)
