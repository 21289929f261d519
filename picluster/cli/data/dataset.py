"""`picluster dataset`: graph folders."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from picluster.cli.show.words import note, plain
from picluster.cli.terminal import complete
from picluster.cli.terminal.options import Features, Json, Scale
from picluster.controller.planning.request import FEATURE_DTYPES, FeatureType
from picluster.project import GRAPHS
from picluster.wording import counted

if TYPE_CHECKING:
    from picluster.graph.folder import GraphFolder

_MOST_DRAWN = 10_000
"""Nobody can see more nodes in one picture, and to lay them out takes half a minute."""

app = typer.Typer(help="Prepare graphs for training.", no_args_is_help=True)


@app.callback()
def _group() -> None:
    pass


@app.command("prepare")
def prepare(
    name: Annotated[
        str,
        typer.Argument(
            metavar="NAME",
            help="Data set, such as cora; `picluster dataset list` has all names.",
            autocompletion=complete.datasets,
        ),
    ],
    scale: Scale = None,
    features: Features = None,
    split_seed: Annotated[int | None, typer.Option(help="Seed of the split of cora-linqs. (default: 0)", min=0)] = None,
    force: Annotated[bool, typer.Option("--force", help="Make it anew where it is there already.")] = False,
) -> None:
    """Make the graph folder of a data set under graphs/.

    Raw files are looked for in $PICLUSTER_INPUT (default: input/), then downloaded. reddit-like is generated.
    """
    typer.echo(_summary(_prepared(name, scale, features, split_seed=split_seed, force=force)))


@app.command("import")
def import_own(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Name of the graph; its folder is graphs/NAME.")],
    edges: Annotated[Path | None, typer.Option(help="Two columns: source, target.")] = None,
    features: Annotated[Path | None, typer.Option(help="One row for each node.")] = None,
    labels: Annotated[Path | None, typer.Option(help="One column, or two: node, label.")] = None,
    splits: Annotated[Path | None, typer.Option(help="One column, or two: node, split. (default: 60/20/20)")] = None,
    pyg: Annotated[Path | None, typer.Option(help="Instead: a PyG Data or data set, saved with torch.save.")] = None,
    npz: Annotated[Path | None, typer.Option(help="Instead: an archive of numpy arrays with the whole graph.")] = None,
    mask: Annotated[
        int | None,
        typer.Option(metavar="NUMBER", help="Number of the split to take where it has several, from 0.", min=0),
    ] = None,
    missing: Annotated[
        list[str] | None, typer.Option(metavar="WORD", help="Word that marks a node without a label; repeatable.")
    ] = None,
    skip: Annotated[
        list[str] | None,
        typer.Option(
            metavar="COLUMN",
            help="Leave out a column, by its name or number (edges:3), or an entry of --pyg, --npz; repeatable.",
        ),
    ] = None,
    directed: Annotated[
        bool, typer.Option("--directed/--undirected", help="Take edges as leading one way only, or both.")
    ] = False,
    store: Annotated[
        FeatureType | None, typer.Option(help="Number format of features. (default: fp16 where it holds them)")
    ] = None,
    split_seed: Annotated[
        int | None, typer.Option(help="Seed that draws the split where none is given. (default: 0)", min=0)
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace the graph of this name.")] = False,
) -> None:
    """Make a graph folder of your own graph, from text (.csv, .tsv, .mtx … .gz), .parquet, .npy or .npz.

    It tells how the files were understood; docs/datasets.md has their forms.
    """
    from picluster.cli.data.own_files import own_graph
    from picluster.graph.own.importing import check_free, import_graph

    check_free(name, GRAPHS, force=force)
    done = import_graph(
        name,
        own_graph(
            {"--edges": edges, "--features": features, "--labels": labels, "--splits": splits},
            {"--pyg": pyg, "--npz": npz},
            mask,
            missing=tuple(missing or ()),
            skip=tuple(skip or ()),
            directed=directed,
        ),
        graphs_folder=GRAPHS,
        directed=directed,
        feature_dtype=FEATURE_DTYPES[store] if store else None,
        split_seed=split_seed,
        force=force,
    )
    typer.echo(_summary(done.graph))
    for line in (*done.notes, *done.preview):
        typer.echo(f"  {plain(line)}")


@app.command("list")
def list_all(*, as_json: Json = False) -> None:
    """Show the graph folders under graphs/, and what can be prepared."""
    from picluster.graph.catalogue import list_graphs
    from picluster.schema.record import to_json

    found = list_graphs(GRAPHS)
    if as_json:
        typer.echo(to_json(found, indent=True), nl=False)
        return
    from picluster.cli.show.dataset_tables import show_list

    show_list(found)


@app.command("show")
def show(
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="A folder under graphs/.", autocompletion=complete.datasets)
    ],
    as_json: Json = False,
) -> None:
    """Show what a graph is like: sizes, splits, degrees, homophily, labels, files."""
    from picluster.graph.catalogue import graph_details
    from picluster.schema.record import to_json

    details = graph_details(GRAPHS, name)
    if as_json:
        typer.echo(to_json(details, indent=True), nl=False)
        return
    from picluster.cli.show.dataset_tables import show_details

    show_details(details)


@app.command("rm")
def remove(
    names: Annotated[
        list[str], typer.Argument(metavar="NAME…", help="Folders under graphs/.", autocompletion=complete.graphs)
    ],
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Remove without asking.")] = False,
) -> None:
    """Remove graph folders, whole, damaged or partial. Runs and their predictions stay."""
    from picluster.cli.data.dataset_removal import remove_graphs

    remove_graphs(GRAPHS, names, yes=yes)


@app.command("draw")
def draw(
    name: Annotated[
        str,
        typer.Argument(
            metavar="NAME",
            help="Data set or graph; prepared first where it is not there.",
            autocompletion=complete.datasets,
        ),
    ],
    output: Annotated[
        Path | None, typer.Option(metavar="FILE", help=".png, .svg or .pdf. (default: NAME.png, here)")
    ] = None,
    nodes: Annotated[
        int, typer.Option(help="Nodes to draw; of a larger graph so many are sampled.", min=1, max=_MOST_DRAWN)
    ] = 3000,
    seed: Annotated[int, typer.Option(help="Seed of the sample and of the layout.", min=0)] = 0,
    scale: Scale = None,
    features: Features = None,
    *,
    as_json: Json = False,
) -> None:
    """Draw a graph as a network, coloured by class, with its statistics beside it."""
    from picluster.controller.drawing.draw import draw_graph
    from picluster.controller.drawing.style import check_picture
    from picluster.schema.record import to_json

    if output is not None:
        check_picture(output)
    graph = _prepared(name, scale, features)
    drawing = draw_graph(graph, output or Path(f"{graph.path.name}.png"), most_nodes=nodes, seed=seed)
    if as_json:
        typer.echo(to_json(drawing, indent=True), nl=False)
        return
    from picluster.cli.show.dataset_tables import show_drawing

    show_drawing(drawing)


def _prepared(name: str, scale: float | None, features: FeatureType | None, **further: Any) -> GraphFolder:
    """The graph folder, made where it is missing. Says which choices were made for the person."""
    from picluster.controller.planning.graphs import prepared

    return prepared(name, scale, features, note, **further)


def _summary(graph: GraphFolder) -> str:
    meta = graph.meta
    splits = ", ".join(f"{count:,} {split}" for split, count in meta.splits.items())
    sizes = {"node": meta.nodes, "edge": meta.edges, "feature": meta.features}
    return f"{graph.path}: {', '.join(counted(size, noun) for noun, size in sizes.items())}, {splits}"
