"""The options of `picluster launch`, and those that several commands have, with the words of their help."""

from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from picluster.cli.terminal import complete
from picluster.schema.plan import EngineName, Strategy
from picluster.schema.spec import Evaluation, Monitor, Precision

_graph, _model, _train, _nodes, _run = (
    partial(typer.Option, rich_help_panel=f"The {topic}") for topic in ("graph", "model", "training", "nodes", "run")
)

Dataset = Annotated[
    str,
    _graph(help="Data set: cora, citeseer, reddit-like …, or a folder in graphs/.", autocompletion=complete.datasets),
]

Scale = Annotated[float | None, _graph(help="Size of reddit-like: 1 is Reddit's own (233 k nodes). (default: 0.01)")]
Features = Annotated[Precision | None, _graph(help="Number format that features are stored in. (default: fp16)")]
Model = Annotated[str, _model(help="Name of a file in models/, or a path.", autocompletion=complete.models)]
SplitSeed = Annotated[int | None, _graph(help="Seed that draws the split of cora-linqs. (default: 0)", min=0)]
Pretrain = Annotated[bool, _model("--pretrain", help="Pre-train anew, even where that was done before.")]
Hidden = Annotated[int | None, _model(help="Width of hidden layers. (default: the model's)")]
Depth = Annotated[int | None, _model(help="Number of layers. (default: the fanout's, else the model's)")]
Options = Annotated[list[str] | None, _model("--option", metavar="NAME=VALUE", help="Any other option of the model.")]
Dropout = Annotated[float | None, _model(help="Share of values dropped in training. (default: the model's)")]
Fanout = Annotated[
    str | None,
    _train(help="Neighbours to sample, the seeds' first, such as 25,10; or all. (default: by the graph's size)"),
]
BatchSize = Annotated[int | None, _train(help="Seeds of a step. (default: the model's, or by size)")]
MicroBatches = Annotated[
    int | None, _train(help="Parts of a step, one at a time on a core. (default: 4; full batch: 1)")
]
Epochs = Annotated[
    int | None, _train(help="Passes over the training nodes. (default: the model's, or 10; full batch: 200)")
]
Seed = Annotated[int, _train(help="Seed of all random numbers.")]
LearningRate = Annotated[
    float | None,
    _train("--learning-rate", "--lr", help="Step size of Adam. (default: the model's, or 0.003; full batch: 0.01)"),
]
WeightDecay = Annotated[
    str | None,
    _train(
        help="L2 regularisation: one value, or one a layer: 5e-4,0. (default: the model's, or 0; full batch: 5e-4,0)"
    ),
]
DenseWeightDecay = Annotated[
    float | None, _train(help="Weight decay of layers without neighbours. (default: the model's, or 0)")
]
L1 = Annotated[
    float | None, _train("--l1", help="L1 regularisation of all weights but biases. (default: the model's, or 0)")
]
Patience = Annotated[
    int | None, _train(help="Stop after so many epochs without a better validation. (default: the model's, or never)")
]
MonitorName = Annotated[
    Monitor | None,
    _train("--monitor", help="Measure by which a validation is better. (default: the model's, or accuracy)"),
]
Validation = Annotated[
    Evaluation | None, _train(help="Neighbours seen in validation. (default: sampled; full batch: exact)")
]
Test = Annotated[Evaluation | None, _train(help="Neighbours seen in the test: exact is all of them. (default: exact)")]
Wire = Annotated[
    Precision | None, _train(help="Number format of rows and gradients between layers, cut or not. (default: fp32)")
]
Beta1 = Annotated[float, _train(help="Adam's decay of the mean of gradients.")]
Beta2 = Annotated[float, _train(help="Adam's decay of the mean of squared gradients.")]
Epsilon = Annotated[float, _train(help="Adam's epsilon, against division by 0.")]
Amsgrad = Annotated[bool, _train("--amsgrad", help="Use the AMSGrad variant of Adam.")]
RunName = Annotated[
    str | None,
    typer.Argument(
        metavar="RUN",
        help="Name, last four letters or folder of a run. (default: the last run)",
        autocompletion=complete.runs,
    ),
]
InventoryFile = Annotated[
    Path | None,
    _nodes(
        "--inventory",
        "-i",
        help="Ansible inventory. (default: inventory/hosts.yml, else local.yml)",
        autocompletion=complete.inventories,
    ),
]
Nodes = Annotated[
    str | None, _nodes(help="Nodes of the inventory to use, by number or name: 3 or pi1,pi4. (default: all)")
]
StrategyName = Annotated[
    Strategy | None,
    _nodes(metavar="NAME", help="Division of the work: single, data-parallel, mirrored or layer-split (the default)."),
]
Replicas = Annotated[int | None, _nodes(help="Processes on one machine, with mirrored. (default: 2)", min=1, max=1000)]
LayersPerNode = Annotated[
    int | None, _nodes(help="Layers of a stage, with layer-split. (default: as few as the nodes allow)")
]
Engine = Annotated[
    EngineName | None,
    _nodes(metavar="NAME", help="Transport of tensors between nodes: sockets (the default), gloo, rpc, mpi, ray."),
]
PlanFile = Annotated[Path | None, _nodes("--plan", help="Execute this plan instead of making one.")]
Cores = Annotated[
    int | None,
    _nodes(help="Cores on which a node computes, a micro-batch on each. (default: all, as memory allows)", min=1),
]
DryRun = Annotated[bool, _nodes("--dry-run", help="Print the plan as JSON and start nothing.")]
Grace = Annotated[
    float, _nodes(help="Seconds without a word from this machine after which workers end.", min=2.0, max=3600.0)
]
Wait = Annotated[bool, _nodes("--wait", help="Wait for nodes that are busy with another run.")]
Rerun = Annotated[
    str | None,
    _run(metavar="RUN", help="Repeat that run, with its model, data and settings.", autocompletion=complete.runs),
]
CheckpointEvery = Annotated[
    str, _run(metavar="TIME|STEPS", help="Time (90s, 5m) or steps (500) between two training states, or never.")
]
MaxRestarts = Annotated[
    int | None, _run(min=0, help="Times to go on after a fault, without the node.", show_default="3 over SSH, else 0")
]
Trace = Annotated[
    bool, _run("--trace", help="Record every micro-batch and message, which the report's --trace FILE writes.")
]
Resume = Annotated[
    str | None,
    _run(metavar="RUN", help="Go on with that run, from its last state.", autocompletion=complete.runs),
]
Tag = Annotated[str, _run(metavar="WORD", help="A word to find the run by.")]
Detach = Annotated[bool, _run("--detach", help="Give the terminal back once the run has begun: it goes on by itself.")]

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of tables.")]
