"""`picluster dataset`: graph folders."""

import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer

from picluster.cli.data.importing import import_own, summary
from picluster.cli.show.words import note, plain, print_record
from picluster.cli.terminal import complete
from picluster.cli.terminal.options import Features, Json, Scale
from picluster.errors import InputError
from picluster.project import GRAPHS

_MOST_DRAWN = 10_000
"""Nobody can see more nodes in one picture, and to lay them out takes half a minute."""

app = typer.Typer(help="Prepare graphs for training.", no_args_is_help=True)


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
    from picluster.controller.planning.graphs import prepared

    typer.echo(summary(prepared(name, scale, features, note, split_seed=split_seed, force=force)))


app.command("import")(import_own)


@app.command("list")
def list_all(*, as_json: Json = False) -> None:
    """Show the graph folders under graphs/, and what can be prepared."""
    from picluster.cli.show.dataset_tables import show_list
    from picluster.graph.catalogue import list_graphs

    print_record(list_graphs(GRAPHS), show_list, as_json=as_json)


@app.command("show")
def show(
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="A folder under graphs/.", autocompletion=complete.datasets)
    ],
    as_json: Json = False,
) -> None:
    """Show what a graph is like: sizes, splits, degrees, homophily, labels, files."""
    from picluster.cli.show.dataset_tables import show_details
    from picluster.graph.catalogue import graph_details

    print_record(graph_details(GRAPHS, name), show_details, as_json=as_json)


@app.command("rm")
def remove(
    names: Annotated[
        list[str], typer.Argument(metavar="NAME…", help="Folders under graphs/.", autocompletion=complete.graphs)
    ],
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Remove without asking.")] = False,
) -> None:
    """Remove graph folders, whole, damaged or partial. Runs and their predictions stay."""
    from rich.filesize import decimal

    from picluster.cli.terminal.asking import agrees
    from picluster.controller.record.report import training_on
    from picluster.graph import catalogue

    folders = [catalogue.removable(GRAPHS, name) for name in dict.fromkeys(names)]
    for folder in folders:
        if runs := training_on(folder.path.name):
            what = f"{plain(str(folder.path))} is being trained on by {', '.join(runs)}"
            raise InputError(what, fix=f"wait for it, or end it: picluster stop {shlex.quote(runs[0])}")
    if not yes:
        words = shlex.join(["picluster", "dataset", "rm", *(folder.path.name for folder in folders), "--yes"])
        if not sys.stdin.isatty():
            raise InputError("nobody is there to be asked whether graphs may be removed", fix=words)
        for folder in folders:
            told = "a link" if folder.is_link else decimal(folder.bytes)
            typer.echo(f"  {plain(str(folder.path))}: {told}")
        if not agrees("Remove it?" if len(folders) == 1 else "Remove them?"):
            typer.echo("nothing was removed")
            return
    for folder in folders:
        catalogue.remove(folder)
        left = "; the folder that it led to stays" if folder.is_link else f": {decimal(folder.bytes)} freed"
        typer.echo(f"removed {plain(str(folder.path))}{left}")


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
    from picluster.cli.show.dataset_tables import show_drawing
    from picluster.controller.drawing.draw import draw_graph
    from picluster.controller.drawing.style import check_picture
    from picluster.controller.planning.graphs import prepared

    if output is not None:
        check_picture(output)
    graph = prepared(name, scale, features, note)
    drawing = draw_graph(graph, output or Path(f"{graph.path.name}.png"), most_nodes=nodes, seed=seed)
    print_record(drawing, show_drawing, as_json=as_json)
