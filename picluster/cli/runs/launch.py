"""`picluster launch`: from what was typed to a finished run."""

import shlex
import sys
from typing import TYPE_CHECKING, Any

import typer

from picluster.cli.terminal import options, streams
from picluster.cli.terminal.departure import Departure, depart
from picluster.cli.terminal.typeable import typeable
from picluster.controller.planning.request import PLACING, LaunchRequest
from picluster.errors import InputError
from picluster.wording import counted

if TYPE_CHECKING:
    from picluster.controller.record.run_folder import RunFolder

EXAMPLES = """Examples:

picluster launch --dataset cora --model gcn       a network of citations
picluster launch --layers-per-node 1 --nodes 4    one layer a stage
picluster launch --strategy data-parallel         the same losses
picluster launch --dry-run > plan.json            who would do what
picluster launch --plan plan.json --tag edited    execute that plan
picluster launch --rerun ymbu                     learn the very same again
picluster launch --resume ymbu                    go on with a run that was ended
picluster launch --detach                         let it go on without this terminal"""


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
    wire: options.Wire = None,
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
    cores: options.Cores = None,
    dry_run: options.DryRun = False,
    grace: options.Grace = 5.0,
    wait: options.Wait = False,
    checkpoint_every: options.CheckpointEvery = "60s",
    max_restarts: options.MaxRestarts = None,
    trace: options.Trace = False,
    rerun: options.Rerun = None,
    resume: options.Resume = None,
    tag: options.Tag = "",
    detach: options.Detach = False,
) -> None:
    """Train a model on the nodes of the inventory. Without options: GraphSAGE on a small generated graph."""
    given = given_options(context)
    given = {name: value for name, value in given.items() if name not in ("dry_run", "detach")}
    request = LaunchRequest.of(given)
    if dry_run and detach:
        raise InputError("--detach: a dry run starts nothing that could go on", fix="leave one of them out")
    if dry_run:
        _plan(request)
        return
    # Before all imports: some start threads, which a process that splits in two must not have.
    departure = depart(say_farewell) if detach else None
    _train(request, departure)


def _plan(request: LaunchRequest) -> None:
    from picluster.cli.show.progress import LaunchScreen
    from picluster.controller.running.run import plan_only

    plan_only(request, LaunchScreen(plan_as_json=True))
    if words := request.words(without=PLACING):
        print(f"note       beside the plan, say it again: {shlex.join(words)}", file=sys.stderr)


def _train(request: LaunchRequest, departure: Departure | None) -> None:
    from picluster.cli.show.progress import LaunchScreen
    from picluster.cli.terminal.interrupts import EndSignals, Heedful, pauses_told
    from picluster.controller.running.run import carry_out

    if output := streams.standard_output():
        output.word = "the run goes on; later: picluster report"
    paused = f"after {request.grace:g} s (--grace) training falls back to its newest state"
    with EndSignals() as signals, pauses_told(paused):
        run = carry_out(request, Heedful(LaunchScreen(departure=departure), signals.check))
    say_result(run.record, run.test_accuracy)


def say_result(folder: "RunFolder", test_accuracy: float | None, report: str = "picluster report") -> None:
    """Print the last lines about a run that has finished; `report` is the command that tells more."""
    if went_on := _went_on(folder):
        print(went_on)
    if test_accuracy is not None:
        when = "at the best validation" if folder.run().graph.splits["validation"] else "after the last epoch"
        print(f"test accuracy {test_accuracy:.4f} {when}")
    print(f"the nodes' memory and times: {report}")


def _went_on(folder: "RunFolder") -> str:
    """Say in a line what happened to a run that went on, and whether it shows; empty where nothing did."""
    from picluster.schema.events import Ready
    from picluster.schema.facts import mixed_numerics

    attempts = folder.attempts()
    if not attempts:
        return ""
    faults = [f"{each.after.node or 'controller'} {each.after.cause}" for each in attempts if each.after]
    why = f" ({'; '.join(faults)})" if faults else ""
    ready = {f"{e.node} {e.attempt}": e.event.hardware.numerics for e in folder.events() if isinstance(e.event, Ready)}
    bits = "last bits may differ" if mixed_numerics(ready) else "the same bits as if nothing had happened"
    return f"went on {counted(len(attempts), 'time')}{why}: {bits}"


def say_farewell(run: str) -> None:
    """Print how a run that goes on without this terminal is seen, and how it is ended."""
    print(typeable(f"the run goes on; see it: picluster attach {run}; end it: picluster stop {run}"))


def given_options(context: Any) -> dict[str, Any]:
    """Options that were typed, rather than left at their defaults."""
    sources = {name: context.get_parameter_source(name) for name in context.params}
    return {name: context.params[name] for name, source in sources.items() if source and source.name != "DEFAULT"}
