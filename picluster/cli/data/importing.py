"""`picluster dataset import`: a graph of one's own, from tables or from one file that holds the whole graph."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from picluster.cli.show.words import plain
from picluster.controller.planning.request import FEATURE_DTYPES
from picluster.errors import InputError
from picluster.project import GRAPHS
from picluster.schema.spec import Precision
from picluster.wording import counted

if TYPE_CHECKING:
    from picluster.graph.folder import GraphFolder
    from picluster.graph.own.own_graph import OwnGraph


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
        Precision | None, typer.Option(help="Number format of features. (default: fp16 where it holds them)")
    ] = None,
    split_seed: Annotated[
        int | None, typer.Option(help="Seed that draws the split where none is given. (default: 0)", min=0)
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace the graph of this name.")] = False,
) -> None:
    """Make a graph folder of your own graph, from text (.csv, .tsv, .mtx … .gz), .parquet, .npy or .npz.

    It tells how the files were understood; docs/datasets.md has their forms.
    """
    from picluster.graph.own.importing import check_free, import_graph

    check_free(name, GRAPHS, force=force)
    done = import_graph(
        name,
        _own_graph(
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
    typer.echo(summary(done.graph))
    for line in (*done.notes, *done.preview):
        typer.echo(f"  {plain(line)}")


def summary(graph: GraphFolder) -> str:
    """The folder and the sizes of a graph, in a line."""
    meta = graph.meta
    splits = ", ".join(f"{count:,} {split}" for split, count in meta.splits.items())
    sizes = {"node": meta.nodes, "edge": meta.edges, "feature": meta.features}
    return f"{graph.path}: {', '.join(counted(size, noun) for noun, size in sizes.items())}, {splits}"


def _own_graph(
    tables: dict[str, Path | None],
    whole: dict[str, Path | None],
    mask: int | None,
    *,
    missing: tuple[str, ...],
    skip: tuple[str, ...],
    directed: bool,
) -> OwnGraph:
    """Reads the files, which are given by their options: several tables, or one that holds the whole graph."""
    given = [option for option, file in whole.items() if file is not None]
    others = [option for option, file in tables.items() if file is not None]
    if given and (others or len(given) > 1):
        together = " and ".join([*given, *others])
        raise InputError(f"{together} do not go together", fix=f"{given[0]} alone: its file holds the whole graph")
    if file := whole["--pyg"] or whole["--npz"]:
        from picluster.graph.own.whole.archive import entries_in
        from picluster.graph.own.whole.meaning import graph_in
        from picluster.graph.own.whole.pyg_file import saved_entries

        entries = saved_entries(file) if whole["--pyg"] else entries_in(file)
        return graph_in(entries, skip=skip, mask=mask, missing=missing)
    if mask is not None:
        raise InputError("--mask goes with --pyg and --npz", fix="leave it out: tables have one split")
    edges, features, labels, splits = tables.values()
    if edges is None or features is None or labels is None:
        absent = [option for option in ("--edges", "--features", "--labels") if tables[option] is None]
        fix = "name the files of edges, features and labels; or one that holds the whole graph: --pyg, --npz"
        raise InputError(f"{', '.join(absent)} missing", fix=fix)
    from picluster.graph.own.tables.reading import read_own

    return read_own(edges, features, labels, splits, missing=missing, skip=skip, directed=directed)
