"""`picluster launch`: from what was typed to a finished run."""

import shlex
import sys
from typing import Any

import typer

from picluster.cli.terminal import options, streams
from picluster.controller.planning.request import PLACING, LaunchRequest

EXAMPLES = """Examples:

picluster launch --dataset cora --model gcn       a network of citations
picluster launch --layers-per-node 1 --nodes 4    one layer a stage
picluster launch --strategy data-parallel         the same losses
picluster launch --dry-run > plan.json            who would do what
picluster launch --plan plan.json --tag edited    execute that plan
picluster launch --rerun ymbu                     learn the very same again"""


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
    plan: options.PlanFile = None,
    threads: options.Threads = 1,
    dry_run: options.DryRun = False,
    grace: options.Grace = 5.0,
    wait: options.Wait = False,
    rerun: options.Rerun = None,
    tag: options.Tag = "",
) -> None:
    """Train a model on the nodes of the inventory. Without options: GraphSAGE on a small generated graph."""
    from picluster.cli.show.progress import LaunchScreen
    from picluster.cli.terminal.interrupts import EndSignals, pauses_told
    from picluster.controller.running.run import carry_out, plan_only

    given = given_options(context)
    given.pop("dry_run", None)
    request = LaunchRequest.of(given)
    if dry_run:
        plan_only(request, LaunchScreen(plan_as_json=True))
        if words := request.words(without=PLACING):
            print(f"note       beside the plan, say it again: {shlex.join(words)}", file=sys.stderr)
        return
    if output := streams.standard_output():
        output.word = "the run goes on; later: picluster report"
    with EndSignals(), pauses_told(grace):
        run = carry_out(request, LaunchScreen())
    if run.test_accuracy is not None:
        when = "at the best validation" if run.record.run().graph.splits["validation"] else "after the last epoch"
        print(f"test accuracy {run.test_accuracy:.4f} {when}")
    print("the nodes' memory and times: picluster report")


def given_options(context: Any) -> dict[str, Any]:
    """Options that were typed, rather than left at their defaults."""
    sources = {name: context.get_parameter_source(name) for name in context.params}
    return {name: context.params[name] for name, source in sources.items() if source and source.name != "DEFAULT"}
