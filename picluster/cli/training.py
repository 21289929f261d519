"""A run as a person sees it on the command line: task, nodes, plan, progress, result."""

from __future__ import annotations

import os
import platform
import signal
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import psutil
import typer

import picluster
from picluster.cli.progress import progress
from picluster.cli.tables import show_failure
from picluster.controller.cluster import reached
from picluster.controller.inventory import Node, default_inventory, read_inventory
from picluster.controller.launch import Launch
from picluster.controller.launcher import Launcher
from picluster.controller.leader import this_controller
from picluster.controller.models import describe_model
from picluster.controller.planner import fit_plan, make_plan
from picluster.controller.run_folder import RunFolder
from picluster.errors import InputError, RunFailed, Stopped
from picluster.schema.plan import Plan
from picluster.schema.record import from_json
from picluster.schema.run import Environment, Run

if TYPE_CHECKING:
    from picluster.controller.earlier_run import EarlierRun
    from picluster.graph.folder import GraphFolder
    from picluster.schema.model import ModelDescription
    from picluster.schema.plan import EngineName, Strategy
    from picluster.schema.spec import Spec

_PLAN_FIX = "picluster launch --dry-run > plan.json writes one"
_END_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@dataclass(frozen=True)
class Task:
    """What is to be learnt, and of what."""

    spec: Spec
    model_file: Path
    graph: GraphFolder
    description: ModelDescription

    @staticmethod
    def again(earlier: EarlierRun, graphs: Path) -> Task:
        """The task of an earlier run. Says which file its model is taken from."""
        spec, graph = earlier.spec, earlier.graph(graphs)
        file, word = earlier.model()
        print(f"model      {word}", file=sys.stderr)
        options = {**spec.model.options, "depth": spec.model.depth}
        return Task(spec, file, graph, describe_model(file, graph.meta.features, graph.meta.classes, options))


def choose_nodes(inventory: Path | None, wanted: str | None) -> list[Node]:
    """The nodes of an inventory: all, the first few, or those named. Says which inventory it is."""
    path = inventory or default_inventory()
    nodes = read_inventory(path)
    print(f"inventory  {path}: {len(nodes)} node{'' if len(nodes) == 1 else 's'}", file=sys.stderr)
    if wanted is None:
        return nodes
    if wanted.isdecimal():
        if not 1 <= int(wanted) <= len(nodes):
            raise InputError(f"--nodes {wanted}: the inventory has {len(nodes)} nodes")
        return nodes[: int(wanted)]
    by_name = {node.name: node for node in nodes}
    names = [name.strip() for name in wanted.split(",") if name.strip()]
    if not names:
        raise InputError(f"--nodes {wanted!r} names nobody", fix="give a number or names, such as --nodes pi1,pi4")
    strangers = [name for name in names if name not in by_name]
    if strangers:
        message = f"--nodes: {', '.join(strangers)} not in inventory {path}"
        raise InputError(message, fix=f"it has {', '.join(by_name)}")
    return [by_name[name] for name in dict.fromkeys(names)]


def choose_plan(
    file: Path | None,
    nodes: Sequence[Node],
    task: Task,
    *,
    strategy: Strategy | None,
    engine: EngineName | None,
    layers_per_node: int | None,
) -> Plan:
    """The plan of a file, checked against nodes and model; without a file, the one that the strategy makes."""
    names, spec, model = [node.name for node in nodes], task.spec, task.description
    if file is None:
        return make_plan(
            names,
            spec,
            model,
            task.graph.meta,
            strategy=strategy or "layer-split",
            engine=engine or "gloo",
            layers_per_node=layers_per_node,
        )
    for option, value in (("--strategy", strategy), ("--layers-per-node", layers_per_node)):
        if value is not None:
            what = f"--plan and {option} do not go together: the plan says who does what"
            raise InputError(what, fix="leave one of them out")
    plan = fit_plan(read_plan(file), names, spec, model)
    return msgspec.structs.replace(plan, engine=engine) if engine else plan


def read_plan(file: Path) -> Plan:
    """The plan of a file. InputError where it cannot be read or is none."""
    try:
        return from_json(Plan, file.read_bytes(), source=str(file), fix=_PLAN_FIX)
    except OSError as error:
        raise InputError(f"cannot read the plan {file}: {error.strerror}", fix=_PLAN_FIX) from error


def train(
    task: Task,
    plan: Plan,
    nodes: Sequence[Node],
    *,
    threads: int,
    grace_seconds: float,
    tag: str = "",
    wait: bool = False,
) -> None:
    """Make the run and tell of it.

    Raises:
        NodesFailed: some nodes cannot be used; nothing has begun.
        Stopped: Ctrl-C, SIGTERM or SIGHUP.
        typer.Exit: a node failed; its name, cause and log are printed before.
    """
    say = partial(print, file=sys.stderr, flush=True)
    waiting = partial(say, "waiting   ") if wait else None
    with reached(nodes, plan, task.graph.path, silence_seconds=grace_seconds, wait=waiting) as cluster:
        for note in cluster.notes:
            say(f"note       {note}")
        folder = _begin(task, plan, tag)
        launch = Launch(
            spec=task.spec,
            plan=plan,
            model_file=folder.model_file.absolute(),
            graph_folder=task.graph.path,
            transports=cluster.transports,
            threads=threads,
            grace_seconds=grace_seconds,
            folder=folder,
        )
        for number in _END_SIGNALS:
            signal.signal(number, _stop)
        with progress(task.spec, plan, task.graph.meta.splits["train"]) as watch:
            result = Launcher(launch, watch).run()
    if result.failure:
        show_failure(result.failure, str(folder.path))
        raise typer.Exit(RunFailed.exit_code)
    if result.test_accuracy is not None:
        print(f"test accuracy {result.test_accuracy:.4f} at the best validation")
    print("the nodes' memory and times: picluster report")


def _begin(task: Task, plan: Plan, tag: str) -> RunFolder:
    """The run folder, with all that is known before anything starts."""
    spec, graph = task.spec, task.graph.meta
    folder = RunFolder.create(spec.model.name, spec.dataset)
    folder.keep_model(task.model_file)
    run = Run(run=folder.name, started=time.time(), spec=spec, graph=graph, controller=this_controller(), tag=tag)
    folder.begin(run, plan, _environment())
    print(f"run        {folder.path}", flush=True)
    return folder


def _stop(number: int, _frame: object) -> None:
    """Once: what ends the run must not be interrupted in turn."""
    for each in _END_SIGNALS:
        signal.signal(each, signal.SIG_IGN)
    raise Stopped(f"{signal.Signals(number).name} came")


def _environment() -> Environment:
    return Environment(
        picluster=picluster.__version__,
        python=platform.python_version(),
        system=f"{platform.system()} {platform.release()}",
        machine=platform.machine(),
        cores=os.cpu_count() or 1,
        memory_bytes=psutil.virtual_memory().total,
        command=tuple(sys.argv),
    )
