"""`picluster dataset`: graph folders."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from picluster.errors import InputError

if TYPE_CHECKING:
    from picluster.graph.folder import GraphFolder

GRAPHS = Path("graphs")
GRAPH_PANEL = "The graph"

app = typer.Typer(help="Prepare graphs for training.", no_args_is_help=True)


FeatureType = Literal["fp16", "fp32"]
_NUMPY_NAMES: dict[FeatureType, str] = {"fp16": "float16", "fp32": "float32"}

Scale = Annotated[
    float | None,
    typer.Option(
        help="Size of reddit-like: 1 is Reddit's own (233 k nodes). (default: 0.01)", rich_help_panel=GRAPH_PANEL
    ),
]
Features = Annotated[FeatureType, typer.Option(help="How features are stored.", rich_help_panel=GRAPH_PANEL)]


@app.callback()
def _group() -> None:
    pass


@app.command("prepare")
def prepare(
    name: Annotated[str, typer.Argument(metavar="NAME", help="cora, citeseer, pubmed or reddit-like.")],
    scale: Scale = None,
    features: Features = "fp16",
    force: Annotated[bool, typer.Option("--force", help="Make it anew where it is there already.")] = False,
) -> None:
    """Make the graph folder of a data set under graphs/.

    Raw files are looked for in $PICLUSTER_INPUT (default: input/), then downloaded. reddit-like is generated.
    """
    graph = prepared(name, scale, features, force=force)
    meta = graph.meta
    splits = ", ".join(f"{count:,} {split}" for split, count in meta.splits.items())
    typer.echo(f"{graph.path}: {meta.nodes:,} nodes, {meta.edges:,} edges, {meta.features} features, {splits}")


def prepared(name: str, scale: float | None, features: FeatureType, *, force: bool = False) -> GraphFolder:
    """The graph folder, made where it is missing, its checksums compared."""
    from picluster.graph.prepare import DEFAULT_SCALE, KNOWN, REDDIT_LIKE, default_input_folder, prepare

    if scale is not None and name in KNOWN and name != REDDIT_LIKE:
        raise InputError(f"--scale goes with {REDDIT_LIKE}, not with {name}")
    graph = prepare(
        name,
        graphs_folder=GRAPHS,
        input_folder=default_input_folder(),
        scale=DEFAULT_SCALE if scale is None else scale,
        feature_dtype=_NUMPY_NAMES[features],
        force=force,
    )
    graph.verify()
    return graph
