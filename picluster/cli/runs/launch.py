"""`picluster launch`: from what was typed to a finished run."""

from __future__ import annotations

import shlex
import sys
from typing import TYPE_CHECKING

import typer  # noqa: TC002 typer looks for its Context in the signature

from picluster.cli.terminal import options, streams
from picluster.errors import InputError
from picluster.project import GRAPHS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from picluster.controller.nodes.inventory import Node
    from picluster.controller.running.earlier_run import EarlierRun

EXAMPLES = """Examples:

picluster launch --dataset cora --model gcn       a network of citations
picluster launch --layers-per-node 1 --nodes 4    one layer a stage
picluster launch --strategy data-parallel         the same losses
picluster launch --dry-run > plan.json            who would do what
picluster launch --plan plan.json --tag edited    execute that plan
picluster launch --rerun ymbu                     learn the very same again"""

_NOT_LEARNT = {
    *(
        "context",
        "rerun",
        "tag",
        "inventory",
        "nodes",
        "strategy",
        "layers_per_node",
        "replicas",
        "engine",
        "plan_file",
    ),
    *("threads", "dry_run", "grace", "wait"),
}
"""Parameters that may stand beside --rerun: where and how to run, not what to learn."""
_IN_A_PLAN = {"nodes", "strategy", "layers_per_node", "replicas", "engine", "plan_file", "dry_run"}
"""Parameters whose effect the plan of a dry run holds."""


def launch(
    context: typer.Context,
    *,
    dataset: options.Dataset = "reddit-like",
    scale: options.Scale = None,
    features: options.Features = None,
    split_seed: options.SplitSeed = None,
    model: options.Model = "sage",
    hidden: options.Hidden = None,
    depth: options.Depth = None,
    dropout: options.Dropout = None,
    option: options.Options = None,
    pretrain: options.Pretrain = False,
    fanout: options.Fanout = None,
    batch_size: options.BatchSize = None,
    micro_batches: options.MicroBatches = None,
    epochs: options.Epochs = None,
    seed: options.Seed = 0,
    learning_rate: options.LearningRate = None,
    weight_decay: options.WeightDecay = None,
    dense_weight_decay: options.DenseWeightDecay = None,
    l1: options.L1 = None,
    patience: options.Patience = None,
    monitor: options.MonitorName = None,
    validation: options.Validation = None,
    test: options.Test = None,
    beta1: options.Beta1 = 0.9,
    beta2: options.Beta2 = 0.999,
    epsilon: options.Epsilon = 1e-8,
    amsgrad: options.Amsgrad = False,
    inventory: options.InventoryFile = None,
    nodes: options.Nodes = None,
    strategy: options.StrategyName = None,
    layers_per_node: options.LayersPerNode = None,
    replicas: options.Replicas = None,
    engine: options.Engine = None,
    plan_file: options.PlanFile = None,
    threads: options.Threads = 1,
    dry_run: options.DryRun = False,
    grace: options.Grace = 5.0,
    wait: options.Wait = False,
    rerun: options.Rerun = None,
    tag: options.Tag = "",
) -> None:
    """Train a model on the nodes of the inventory. Without options: GraphSAGE on a small generated graph."""
    from picluster.cli.runs.tasks import new_task
    from picluster.cli.runs.training import Placement, Task, all_nodes, choose_from, train, with_replicas
    from picluster.cli.show.run_tables import show_plan
    from picluster.cli.terminal.interrupts import end_on_signals, tell_of_pauses
    from picluster.controller.nodes.inventory import default_inventory
    from picluster.controller.nodes.survey import surveyed

    if not dry_run:
        end_on_signals()
        tell_of_pauses(grace)
        streams.go_on("the run goes on; later: picluster report")
    check_tag(tag)
    typed = _typed(context)
    earlier = None if rerun is None else _earlier(rerun, typed)
    path = inventory or default_inventory()
    everybody = all_nodes(path)
    chosen = choose_from(everybody, nodes, path)
    in_order = nodes is not None and not nodes.isdecimal()
    if earlier is not None:
        threads = threads if "threads" in typed else earlier.threads()
        names = [node.name for node in chosen]
        if earlier.keeps_its_plan(set(typed), names if inventory else None):
            plan_file = earlier.folder.plan_file
    facts = [node.facts for node in chosen] if plan_file or in_order else surveyed(chosen)
    placement = Placement(
        nodes=chosen,
        facts=facts,
        plan_file=plan_file,
        strategy=strategy,
        engine=engine,
        layers_per_node=layers_per_node,
        replicas=replicas,
        threads=threads,
        grace_seconds=grace,
        tag=tag,
        wait=wait,
        in_order=in_order,
        others=[node.facts for node in everybody if node not in chosen],
    )
    placement.say_order()
    if wait:
        _check_wait(chosen)
    task = Task.again(earlier, GRAPHS) if earlier else new_task(context.params, placement, only_plan=dry_run)
    plan = placement.plan(task)
    if wait:
        _check_wait(with_replicas(chosen, plan))
    show_plan(plan, as_json=dry_run)
    if dry_run:
        _tell_what_is_no_plan(context, typed)
    else:
        train(task, plan, placement)
        print("the nodes' memory and times: picluster report")


def _check_wait(nodes: Sequence[Node]) -> None:
    """InputError where none of the nodes can be busy."""
    from picluster.controller.nodes.inventory import remote_nodes

    if not remote_nodes(nodes):
        what = "--wait is for machines that are busy: this one, on which all nodes of the plan are, takes several runs"
        raise InputError(what, fix="leave it out")


def _tell_what_is_no_plan(context: typer.Context, typed: dict[str, str]) -> None:
    """The options that a plan does not hold: with the plan alone they would be lost."""
    words = list[str]()
    for name, option in typed.items():
        if name not in _IN_A_PLAN:
            value = context.params[name]
            for each in value if isinstance(value, list) else [value]:
                words += [option] if isinstance(each, bool) else [option, str(each)]
    if words:
        print(f"note       beside the plan, say it again: {shlex.join(words)}", file=sys.stderr)


def check_tag(tag: str) -> None:
    """One word, short enough for a table."""
    if tag and (tag.split() != [tag] or not tag.isprintable() or len(tag) > options.LONGEST_TAG):
        what = f"--tag {tag!r} is not one word of at most {options.LONGEST_TAG} letters"
        raise InputError(what, fix="such as --tag first-try")


def _typed(context: typer.Context) -> dict[str, str]:
    """The options that were given, rather than left at their defaults: parameter → how it is spelt."""
    spelt = {each.name: max(each.opts, key=len) for each in context.command.params if each.name and each.opts}
    sources = {name: context.get_parameter_source(name) for name in spelt}
    return {name: spelt[name] for name, source in sources.items() if source is not None and source.name != "DEFAULT"}


def _earlier(name: str, typed: dict[str, str]) -> EarlierRun:
    """The run to be made again; InputError where other things are asked to be learnt."""
    from picluster.controller.record.run_folder import RunFolder
    from picluster.controller.running.earlier_run import EarlierRun

    other = [word for parameter, word in typed.items() if parameter not in _NOT_LEARNT]
    if other:
        does, them = ("do", "them") if len(other) > 1 else ("does", "it")
        what = f"{', '.join(other)} {does} not go with --rerun: the run says what is learnt"
        raise InputError(what, fix=f"leave {them} out, or leave out --rerun")
    return EarlierRun(RunFolder.find(name))
