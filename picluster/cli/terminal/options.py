"""The options of `picluster launch`, and those that several commands have, with the words of their help."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from picluster.cli.terminal import complete
from picluster.schema.plan import EngineName, Strategy
from picluster.schema.spec import Evaluation, Monitor

_GRAPH = "The graph"
_LEARN = "The model"
_TRAIN = "The training"
_PLACE = "The nodes"
_RUN = "The run"

LONGEST_TAG = 24

Dataset = Annotated[
    str,
    typer.Option(
        help="Data set to train on: cora, citeseer, pubmed, reddit-like …, or a folder in graphs/.",
        autocompletion=complete.datasets,
        rich_help_panel=_GRAPH,
    ),
]
FeatureType = Literal["fp16", "fp32"]
FEATURE_DTYPES: dict[FeatureType, str] = {"fp16": "float16", "fp32": "float32"}

Scale = Annotated[
    float | None,
    typer.Option(help="Size of reddit-like: 1 is Reddit's own (233 k nodes). (default: 0.01)", rich_help_panel=_GRAPH),
]
Features = Annotated[
    FeatureType | None,
    typer.Option(help="Number format that features are stored in. (default: fp16)", rich_help_panel=_GRAPH),
]
Model = Annotated[
    str,
    typer.Option(help="Name of a file in models/, or a path.", autocompletion=complete.models, rich_help_panel=_LEARN),
]
SplitSeed = Annotated[
    int | None,
    typer.Option(help="Seed that draws the split of cora-linqs. (default: 0)", min=0, rich_help_panel=_GRAPH),
]
Pretrain = Annotated[
    bool,
    typer.Option("--pretrain", help="Pre-train anew, even where that was done before.", rich_help_panel=_LEARN),
]
Hidden = Annotated[
    int | None, typer.Option(help="Width of hidden layers. (default: the model's)", rich_help_panel=_LEARN)
]
Depth = Annotated[
    int | None, typer.Option(help="Number of layers. (default: the fanout's, else the model's)", rich_help_panel=_LEARN)
]
Options = Annotated[
    list[str] | None,
    typer.Option("--option", metavar="NAME=VALUE", help="Any other option of the model.", rich_help_panel=_LEARN),
]
Dropout = Annotated[
    float | None,
    typer.Option(help="Share of values dropped in training. (default: the model's)", rich_help_panel=_LEARN),
]
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
Seed = Annotated[int, typer.Option(help="Seed of all random numbers.", rich_help_panel=_TRAIN)]
LearningRate = Annotated[
    float | None,
    typer.Option(
        "--learning-rate", "--lr", help="Step size of Adam. (default: 0.003; full batch: 0.01)", rich_help_panel=_TRAIN
    ),
]
WeightDecay = Annotated[
    str | None,
    typer.Option(
        help="L2 regularisation: one value, or one a layer: 5e-4,0. (default: 0; full batch: 5e-4,0)",
        rich_help_panel=_TRAIN,
    ),
]
DenseWeightDecay = Annotated[
    float | None,
    typer.Option(
        help="Weight decay of layers without neighbours. (default: the model's, or 0)", rich_help_panel=_TRAIN
    ),
]
L1 = Annotated[
    float | None,
    typer.Option(
        "--l1", help="L1 regularisation of all weights but biases. (default: the model's, or 0)", rich_help_panel=_TRAIN
    ),
]
Patience = Annotated[
    int | None,
    typer.Option(
        help="Stop after so many epochs without a better validation. (default: the model's, or never)",
        rich_help_panel=_TRAIN,
    ),
]
MonitorName = Annotated[
    Monitor | None,
    typer.Option(
        "--monitor",
        help="Measure that makes a validation better: accuracy or loss. (default: the model's, or accuracy)",
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
Beta1 = Annotated[float, typer.Option(help="Adam's decay of the mean of gradients.", rich_help_panel=_TRAIN)]
Beta2 = Annotated[float, typer.Option(help="Adam's decay of the mean of squared gradients.", rich_help_panel=_TRAIN)]
Epsilon = Annotated[float, typer.Option(help="Adam's epsilon, against division by 0.", rich_help_panel=_TRAIN)]
Amsgrad = Annotated[bool, typer.Option("--amsgrad", help="Use the AMSGrad variant of Adam.", rich_help_panel=_TRAIN)]
RunName = Annotated[
    str | None,
    typer.Argument(
        metavar="RUN",
        help="Name of a run, its last four letters, or its folder; the last one by default.",
        autocompletion=complete.runs,
    ),
]
InventoryFile = Annotated[
    Path | None,
    typer.Option(
        "--inventory",
        "-i",
        help="Ansible inventory. (default: inventory/hosts.yml, else local.yml)",
        autocompletion=complete.inventories,
        rich_help_panel=_PLACE,
    ),
]
Nodes = Annotated[
    str | None,
    typer.Option(
        help="Nodes of the inventory to use, by number or name: 3 or pi1,pi4. (default: all)", rich_help_panel=_PLACE
    ),
]
StrategyName = Annotated[
    Strategy | None,
    typer.Option(
        metavar="NAME",
        help="Division of the work: single, data-parallel, mirrored or layer-split. (default: layer-split)",
        rich_help_panel=_PLACE,
    ),
]
Replicas = Annotated[
    int | None,
    typer.Option(help="Processes on one machine, with mirrored. (default: 2)", min=1, rich_help_panel=_PLACE),
]
LayersPerNode = Annotated[
    int | None,
    typer.Option(
        help="Layers of a stage, with layer-split. (default: as few as the nodes allow)", rich_help_panel=_PLACE
    ),
]
Engine = Annotated[
    EngineName | None,
    typer.Option(
        metavar="NAME",
        help="Transport of tensors between nodes: gloo, rpc, mpi or ray. (default: gloo)",
        rich_help_panel=_PLACE,
    ),
]
PlanFile = Annotated[
    Path | None, typer.Option("--plan", help="Execute this plan instead of making one.", rich_help_panel=_PLACE)
]
Threads = Annotated[
    int,
    typer.Option(
        help="Compute threads of each worker. The last bits of results depend on their number.",
        min=1,
        rich_help_panel=_PLACE,
    ),
]
DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Print the plan as JSON and start nothing.", rich_help_panel=_PLACE)
]
Grace = Annotated[
    float,
    typer.Option(
        help="Seconds without a word from this machine after which workers end.",
        min=2.0,
        max=3600.0,
        rich_help_panel=_PLACE,
    ),
]
Wait = Annotated[
    bool,
    typer.Option("--wait", help="Wait for nodes that are busy with another run.", rich_help_panel=_PLACE),
]
Rerun = Annotated[
    str | None,
    typer.Option(
        metavar="RUN",
        help="Repeat a run with its model, data and settings: its name, folder or four letters.",
        autocompletion=complete.runs,
        rich_help_panel=_RUN,
    ),
]
Tag = Annotated[str, typer.Option(metavar="WORD", help="A word to find the run by.", rich_help_panel=_RUN)]

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of tables.")]
