"""A run as a person sees it on the command line: task, nodes, plan, progress, result."""

from __future__ import annotations

import os
import platform
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import psutil
import typer

import picluster
from picluster.cli.show.progress import progress
from picluster.cli.show.run_tables import show_failure
from picluster.cli.show.words import plain
from picluster.controller.nodes.inventory import Node, default_inventory, read_inventory
from picluster.controller.planning.models import describe_model
from picluster.controller.planning.planner import fit_plan, machine_of, make_plan
from picluster.controller.planning.seating import are_unlike, memory_words
from picluster.controller.record.leader import this_controller
from picluster.controller.record.run_folder import RunFolder
from picluster.controller.running.cluster import reached
from picluster.controller.running.launch import Launch
from picluster.controller.running.launcher import Launcher
from picluster.errors import InputError, RunFailed
from picluster.schema.plan import Plan
from picluster.schema.record import from_json
from picluster.schema.run import Environment, Run
from picluster.wording import counted

if TYPE_CHECKING:
    from picluster.controller.running.earlier_run import EarlierRun
    from picluster.graph.folder import GraphFolder
    from picluster.schema.facts import NodeFacts
    from picluster.schema.model import ModelDescription
    from picluster.schema.plan import EngineName, Strategy
    from picluster.schema.spec import Spec

_PLAN_FIX = "have one written: picluster launch --dry-run > plan.json"


@dataclass(frozen=True)
class Task:
    """What is to be learnt, and of what."""

    spec: Spec
    model_file: Path
    graph: GraphFolder
    description: ModelDescription
    pretraining: str = ""
    """Name of the run that learnt the embedding which the graph holds."""

    @staticmethod
    def again(earlier: EarlierRun, graphs: Path) -> Task:
        """The task of an earlier run. Says which file its model is taken from."""
        spec, graph = earlier.spec, earlier.graph(graphs)
        file, word = earlier.model()
        print(f"model      {word}", file=sys.stderr)
        options = {**spec.model.options, "depth": spec.model.depth}
        description = describe_model(file, graph.meta.features, graph.meta.classes, options, say_of_model)
        return Task(spec, file, graph, description, earlier.run.pretraining)


def say_of_model(words: str) -> None:
    """A line that a model file printed, among those about the launch."""
    print(f"model      {plain(words)}", file=sys.stderr, flush=True)


def choose_nodes(inventory: Path | None, wanted: str | None) -> list[Node]:
    """The nodes of an inventory: all, the first few, or those named. Says which inventory it is."""
    path = inventory or default_inventory()
    return choose_from(all_nodes(path), wanted, path)


def all_nodes(inventory: Path) -> list[Node]:
    """The nodes of an inventory. Says which one it is."""
    nodes = read_inventory(inventory)
    print(f"inventory  {inventory}: {counted(len(nodes), 'node')}", file=sys.stderr)
    return nodes


def choose_from(nodes: list[Node], wanted: str | None, path: Path) -> list[Node]:
    """All nodes of the inventory `path`, the first few, or those named."""
    if wanted is None:
        return nodes
    if wanted.isdecimal():
        if not 1 <= int(wanted) <= len(nodes):
            raise InputError(
                f"--nodes {wanted}: the inventory has {counted(len(nodes), 'node')}",
                fix=f"a number from 1 to {len(nodes)}, or names",
            )
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


@dataclass(frozen=True, kw_only=True)
class Placement:
    """Where and how a task is to be trained; None = picluster's default."""

    nodes: Sequence[Node]
    plan_file: Path | None = None
    strategy: Strategy | None = None
    engine: EngineName | None = None
    layers_per_node: int | None = None
    replicas: int | None = None
    threads: int = 1
    grace_seconds: float = 5.0
    tag: str = ""
    wait: bool = False
    in_order: bool = False
    """The nodes stand in an order of the person's own, which a plan keeps."""
    facts: Sequence[NodeFacts]
    """Facts of these nodes."""
    others: Sequence[NodeFacts] = ()
    """Facts of further nodes of the inventory."""

    def say_order(self) -> None:
        """Say that nodes are unlike, where that decides who does what."""
        if self.plan_file or self.in_order or not are_unlike(self.facts):
            return
        words = ", ".join(f"{node.name} {memory_words(node)}" for node in self.facts)
        print(f"note       the strongest nodes do most ({words}); --nodes A,B keeps an order of yours", file=sys.stderr)

    def plan(self, task: Task) -> Plan:
        """The plan of the file, checked against nodes and model; without a file, the one that the strategy makes."""
        spec, model = task.spec, task.description
        if self.plan_file is None:
            return make_plan(
                self.facts,
                spec,
                model,
                task.graph.meta,
                strategy=self.strategy or "layer-split",
                engine=self.engine or "gloo",
                layers_per_node=self.layers_per_node,
                replicas=self.replicas,
                in_order=self.in_order,
            )
        asked = {
            "--strategy": self.strategy,
            "--layers-per-node": self.layers_per_node,
            "--replicas": self.replicas,
        }
        for option, value in asked.items():
            if value is not None:
                what = f"--plan and {option} do not go together: the plan says who does what"
                raise InputError(what, fix="leave one of them out")
        plan = fit_plan(read_plan(self.plan_file), self.facts, spec, model)
        return msgspec.structs.replace(plan, engine=self.engine) if self.engine else plan


def with_replicas(nodes: Sequence[Node], plan: Plan) -> list[Node]:
    """The nodes of a plan, with those of which it names replicas once for each of them."""
    by_name = {node.name: node for node in nodes}
    machines = {name: machine_of(name, by_name) for name in plan.nodes}
    return [replace(by_name[machine], name=name) for name, machine in machines.items() if machine is not None]


def read_plan(file: Path) -> Plan:
    """The plan of a file. InputError where it cannot be read or is none."""
    try:
        return from_json(Plan, file.read_bytes(), source=str(file), fix=_PLAN_FIX)
    except OSError as error:
        raise InputError(f"cannot read the plan {file}: {error.strerror}", fix=_PLAN_FIX) from error


def train(task: Task, plan: Plan, placement: Placement) -> RunFolder:
    """Make the run and tell of it.

    Raises:
        NodesFailed: some nodes cannot be used; nothing has begun.
        Stopped: Ctrl-C, or another signal that asks to end.
        typer.Exit: a node failed; its name, cause and log are printed before.
    """
    say = partial(print, file=sys.stderr, flush=True)
    nodes, grace_seconds = with_replicas(placement.nodes, plan), placement.grace_seconds
    waiting = partial(say, "waiting   ") if placement.wait else None
    with reached(nodes, plan, task.graph.path, silence_seconds=grace_seconds, wait=waiting) as cluster:
        for note in cluster.notes:
            say(f"note       {note}")
        folder = _begin(task, plan, placement.tag)
        launch = Launch(
            spec=task.spec,
            plan=plan,
            model_file=folder.model_file.absolute(),
            graph_folder=task.graph.path,
            transports=cluster.transports,
            threads=placement.threads,
            grace_seconds=grace_seconds,
            folder=folder,
            facts={node.name: node for node in (*placement.facts, *placement.others)},
        )
        with progress(task.spec, plan, task.graph.meta.splits["train"]) as watch:
            result = Launcher(launch, watch).run()
    if result.failure:
        show_failure(result.failure, str(folder.path))
        raise typer.Exit(RunFailed.exit_code)
    if result.test_accuracy is not None:
        when = "at the best validation" if task.graph.meta.splits["validation"] else "after the last epoch"
        print(f"test accuracy {result.test_accuracy:.4f} {when}")
    return folder


def _begin(task: Task, plan: Plan, tag: str) -> RunFolder:
    """The run folder, with all that is known before anything starts."""
    spec, graph = task.spec, task.graph.meta
    folder = RunFolder.create(spec.model.name, spec.dataset)
    folder.keep_model(task.model_file)
    run = Run(
        run=folder.name,
        started=time.time(),
        spec=spec,
        graph=graph,
        controller=this_controller(),
        tag=tag,
        pretraining=task.pretraining,
    )
    folder.begin(run, plan, _environment())
    print(f"run        {folder.path}", flush=True)
    return folder


def _environment() -> Environment:
    return Environment(
        picluster=picluster.__version__,
        python=platform.python_version(),
        system=f"{platform.system()} {platform.release()}",
        machine=platform.machine(),
        cores=os.cpu_count() or 1,
        memory_bytes=psutil.virtual_memory().total,
        command=tuple(os.fsencode(word).decode(errors="replace") for word in sys.argv),
    )
