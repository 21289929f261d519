"""A run as a person sees it on the command line: nodes, plan, progress lines, result."""

from __future__ import annotations

import os
import platform
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import psutil
import typer

import picluster
from picluster.cli.tables import show_failure
from picluster.controller.inventory import Node, default_inventory, read_inventory
from picluster.controller.launcher import Launch, Launcher
from picluster.controller.planner import fit_plan, make_plan
from picluster.controller.run_folder import RunFolder, this_controller
from picluster.controller.transport import LocalTransport
from picluster.errors import InputError, RunFailed, Stopped
from picluster.schema.events import AnyEvent, EpochDone, Ready, StepDone
from picluster.schema.plan import Plan
from picluster.schema.record import from_json
from picluster.schema.run import Environment, Run

if TYPE_CHECKING:
    from picluster.graph.folder import GraphFolder
    from picluster.schema.plan import EngineName, Strategy
    from picluster.schema.spec import Spec

_NEWS_SECONDS = 10.0
_END_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


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
    spec: Spec,
    *,
    strategy: Strategy | None,
    engine: EngineName | None,
    layers_per_node: int | None,
) -> Plan:
    """The plan of a file, checked against nodes and model; without a file, the one that the strategy makes."""
    names = [node.name for node in nodes]
    if file is None:
        how = strategy or "layer-split"
        return make_plan(names, spec, strategy=how, engine=engine or "gloo", layers_per_node=layers_per_node)
    for option, value in (("--strategy", strategy), ("--layers-per-node", layers_per_node)):
        if value is not None:
            raise InputError(f"--plan and {option} do not go together: the plan says who does what")
    try:
        plan = from_json(Plan, file.read_bytes(), source=str(file))
    except OSError as error:
        raise InputError(f"cannot read the plan {file}: {error.strerror}") from error
    plan = fit_plan(plan, names, spec)
    return msgspec.structs.replace(plan, engine=engine) if engine else plan


def train(
    spec: Spec,
    plan: Plan,
    model_file: Path,
    graph: GraphFolder,
    nodes: Sequence[Node],
    *,
    threads: int,
    grace_seconds: float,
) -> None:
    """Make the run and tell of it.

    Raises:
        RunFailed: a node failed; its name, cause and log are printed before.
        Stopped: Ctrl-C, SIGTERM or SIGHUP.
    """
    remote = [node.name for node in nodes if node.name in plan.nodes and not node.is_local]
    if remote:
        message = f"{', '.join(remote)} cannot be reached: this version starts local nodes only"
        raise InputError(message, fix="use inventory/local.yml, or give them ansible_connection: local")
    folder = RunFolder.create(spec.model.name, spec.dataset)
    run = Run(run=folder.name, started=time.time(), spec=spec, graph=graph.meta, controller=this_controller())
    folder.begin(run, plan, _environment())
    print(f"run        {folder.path}", flush=True)
    launch = Launch(
        spec=spec,
        plan=plan,
        model_file=model_file,
        graph_folder=graph.path,
        transports={node: LocalTransport() for node in plan.nodes},
        threads=threads,
        grace_seconds=grace_seconds,
        folder=folder,
    )
    for number in _END_SIGNALS:
        signal.signal(number, _stop)
    result = Launcher(launch, Progress(spec, plan)).run()
    if result.failure:
        show_failure(result.failure, str(folder.path))
        raise typer.Exit(RunFailed.exit_code)
    if result.test_accuracy is not None:
        print(f"test accuracy {result.test_accuracy:.4f} at the best validation")
    print("the nodes' memory and times: picluster report")


class Progress:
    """Prints a line for each epoch, and for steps when an epoch takes long."""

    def __init__(self, spec: Spec, plan: Plan) -> None:
        self._epochs = spec.epochs
        self._nodes = len(plan.nodes)
        self._ready = 0
        self._news = time.monotonic()

    def __call__(self, _node: str, event: AnyEvent) -> None:
        """Take an event into account."""
        line = self._line(event)
        if line:
            self._news = time.monotonic()
            print(line, flush=True)

    def _line(self, event: AnyEvent) -> str | None:
        if isinstance(event, Ready):
            self._ready += 1
            return f"ready      {self._nodes} nodes after {event.seconds:.1f} s" if self._ready == self._nodes else None
        if isinstance(event, EpochDone):
            return self._epoch_line(event)
        if isinstance(event, StepDone) and event.loss is not None and time.monotonic() - self._news > _NEWS_SECONDS:
            return f"  epoch {event.epoch}, step {event.step}: loss {event.loss:.4f}"
        return None

    def _epoch_line(self, done: EpochDone) -> str | None:
        """Short epochs come many at a time: then only every so many, and the last."""
        often = max(1, self._epochs // 20)
        if done.epoch % often and done.epoch not in (1, self._epochs) and time.monotonic() - self._news < 1:
            return None
        validation = "" if done.validation_accuracy is None else f"  validation {done.validation_accuracy:.4f}"
        return (
            f"epoch {done.epoch:>{len(str(self._epochs))}}/{self._epochs}  loss {done.loss:.4f}"
            f"  train {done.train_accuracy:.4f}{validation}  {done.seconds:.2f} s"
        )


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
