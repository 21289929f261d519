"""`picluster launch`: from what was typed to a finished run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from picluster.cli.dataset import GRAPH_PANEL, Features, Scale, prepared
from picluster.schema.plan import EngineName, Strategy
from picluster.schema.spec import Evaluation

_LEARN = "The model"
_TRAIN = "The training"
_PLACE = "The nodes"

Dataset = Annotated[str, typer.Option(help="cora, citeseer, pubmed or reddit-like.", rich_help_panel=GRAPH_PANEL)]
Model = Annotated[str, typer.Option(help="Name of a file in models/, or a path.", rich_help_panel=_LEARN)]
Hidden = Annotated[
    int | None, typer.Option(help="Width of hidden layers. (default: the model's)", rich_help_panel=_LEARN)
]
Depth = Annotated[int | None, typer.Option(help="Number of layers. (default: the fanout's)", rich_help_panel=_LEARN)]
Options = Annotated[
    list[str] | None,
    typer.Option("--option", metavar="NAME=VALUE", help="Any other option of the model.", rich_help_panel=_LEARN),
]
Dropout = Annotated[float | None, typer.Option(help="Share dropped. (default: the model's)", rich_help_panel=_LEARN)]
Fanout = Annotated[
    str | None,
    typer.Option(
        help="Neighbours to sample, the seeds' first, such as 25,10; or all. (default: by the graph's size)",
        rich_help_panel=_TRAIN,
    ),
]
BatchSize = Annotated[int | None, typer.Option(help="Seeds of a step. (default: by size)", rich_help_panel=_TRAIN)]
MicroBatches = Annotated[
    int | None,
    typer.Option(help="Parts of a step, computed one by one. (default: 4; full batch: 1)", rich_help_panel=_TRAIN),
]
Epochs = Annotated[
    int | None,
    typer.Option(help="Passes over the training nodes. (default: 10; full batch: 200)", rich_help_panel=_TRAIN),
]
Seed = Annotated[int, typer.Option(help="Everything random follows from it.", rich_help_panel=_TRAIN)]
LearningRate = Annotated[
    float | None,
    typer.Option(
        "--learning-rate", "--lr", help="Step size of Adam. (default: 0.003; full batch: 0.01)", rich_help_panel=_TRAIN
    ),
]
WeightDecay = Annotated[
    str | None,
    typer.Option(help="One value, or one a layer: 5e-4,0. (default: 0; full batch: 5e-4,0)", rich_help_panel=_TRAIN),
]
DenseWeightDecay = Annotated[
    float | None,
    typer.Option(help="For layers without neighbours. (default: the model's, or 0)", rich_help_panel=_TRAIN),
]
Patience = Annotated[
    int | None,
    typer.Option(
        help="Stop after so many epochs without a better validation. (default: the model's, or never)",
        rich_help_panel=_TRAIN,
    ),
]
Validation = Annotated[
    Evaluation | None,
    typer.Option(help="Neighbours seen in validation. (default: sampled; full batch: exact)", rich_help_panel=_TRAIN),
]
Test = Annotated[
    Evaluation | None,
    typer.Option(help="Neighbours seen in the test: exact is all of them. (default: exact)", rich_help_panel=_TRAIN),
]
Beta1 = Annotated[float, typer.Option(help="Adam's first decay.", rich_help_panel=_TRAIN)]
Beta2 = Annotated[float, typer.Option(help="Adam's second decay.", rich_help_panel=_TRAIN)]
Epsilon = Annotated[float, typer.Option(help="Adam's guard against division by 0.", rich_help_panel=_TRAIN)]
Amsgrad = Annotated[bool, typer.Option("--amsgrad", help="Adam with the largest mean square.", rich_help_panel=_TRAIN)]
InventoryFile = Annotated[
    Path | None,
    typer.Option(
        "--inventory",
        "-i",
        help="Ansible inventory. (default: inventory/hosts.yml, else local.yml)",
        rich_help_panel=_PLACE,
    ),
]
Nodes = Annotated[
    str | None,
    typer.Option(help="How many of its nodes, or their names: 3 or pi1,pi4. (default: all)", rich_help_panel=_PLACE),
]
StrategyName = Annotated[Strategy | None, typer.Option(help="(default: layer-split)", rich_help_panel=_PLACE)]
LayersPerNode = Annotated[
    int | None,
    typer.Option(help="Layers of a stage, for layer-split. (default: as few as fit)", rich_help_panel=_PLACE),
]
Engine = Annotated[EngineName | None, typer.Option(help="How tensors travel. (default: gloo)", rich_help_panel=_PLACE)]
PlanFile = Annotated[
    Path | None, typer.Option("--plan", help="Execute this plan instead of making one.", rich_help_panel=_PLACE)
]
Threads = Annotated[
    int,
    typer.Option(help="Compute threads of each worker. Other numbers, other last bits.", min=1, rich_help_panel=_PLACE),
]
DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Print the plan as JSON and start nothing.", rich_help_panel=_PLACE)
]
Grace = Annotated[
    float,
    typer.Option(
        help="Seconds without a controller after which workers end.", min=2.0, max=3600.0, rich_help_panel=_PLACE
    ),
]


def launch(
    *,
    dataset: Dataset = "reddit-like",
    scale: Scale = None,
    features: Features = "fp16",
    model: Model = "sage",
    hidden: Hidden = None,
    depth: Depth = None,
    dropout: Dropout = None,
    option: Options = None,
    fanout: Fanout = None,
    batch_size: BatchSize = None,
    micro_batches: MicroBatches = None,
    epochs: Epochs = None,
    seed: Seed = 0,
    learning_rate: LearningRate = None,
    weight_decay: WeightDecay = None,
    dense_weight_decay: DenseWeightDecay = None,
    patience: Patience = None,
    validation: Validation = None,
    test: Test = None,
    beta1: Beta1 = 0.9,
    beta2: Beta2 = 0.999,
    epsilon: Epsilon = 1e-8,
    amsgrad: Amsgrad = False,
    inventory: InventoryFile = None,
    nodes: Nodes = None,
    strategy: StrategyName = None,
    layers_per_node: LayersPerNode = None,
    engine: Engine = None,
    plan_file: PlanFile = None,
    threads: Threads = 1,
    dry_run: DryRun = False,
    grace: Grace = 5.0,
) -> None:
    """Train a model on the nodes of the inventory. Without options: GraphSAGE on a small generated graph."""
    from picluster.cli.tables import show_plan
    from picluster.cli.training import choose_nodes, choose_plan, train
    from picluster.controller.models import describe_model, model_file
    from picluster.controller.recipe import Wish, make_spec, model_options

    chosen = choose_nodes(inventory, nodes)
    file = model_file(model)
    options = model_options(hidden, depth, dropout, fanout, option or ())
    graph = prepared(dataset, scale, features)
    description = describe_model(file, graph.meta.features, graph.meta.classes, options)
    wish = Wish(
        fanout=fanout,
        batch_size=batch_size,
        micro_batches=micro_batches,
        epochs=epochs,
        seed=seed,
        learning_rate=learning_rate,
        weight_decay=weight_decay,
        dense_weight_decay=dense_weight_decay,
        patience=patience,
        validation=validation,
        test=test,
        beta1=beta1,
        beta2=beta2,
        epsilon=epsilon,
        amsgrad=amsgrad,
    )
    spec = make_spec(wish, graph.meta, description, file)
    plan = choose_plan(plan_file, chosen, spec, strategy=strategy, engine=engine, layers_per_node=layers_per_node)
    show_plan(plan, as_json=dry_run)
    if not dry_run:
        train(spec, plan, file, graph, chosen, threads=threads, grace_seconds=grace)
