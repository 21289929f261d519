"""The files of `picluster dataset import`: tables, or one that holds a whole graph."""

from __future__ import annotations

from typing import TYPE_CHECKING

from picluster.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path

    from picluster.graph.own.own_graph import OwnGraph


def own_graph(
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
    if whole["--pyg"]:
        from picluster.graph.own.whole.pyg_file import read_pyg

        return read_pyg(whole["--pyg"], skip=skip, mask=mask, missing=missing)
    if whole["--npz"]:
        from picluster.graph.own.whole.archive import read_archive

        return read_archive(whole["--npz"], skip=skip, mask=mask, missing=missing)
    if mask is not None:
        raise InputError("--mask goes with --pyg and --npz", fix="leave it out: tables have one split")
    return _own_tables(tables, missing=missing, skip=skip, directed=directed)


def _own_tables(
    tables: dict[str, Path | None], *, missing: tuple[str, ...], skip: tuple[str, ...], directed: bool
) -> OwnGraph:
    edges, features, labels, splits = tables.values()
    if edges is None or features is None or labels is None:
        absent = [option for option in ("--edges", "--features", "--labels") if tables[option] is None]
        fix = "name the files of edges, features and labels; or one that holds the whole graph: --pyg, --npz"
        raise InputError(f"{', '.join(absent)} missing", fix=fix)
    from picluster.graph.own.tables.reading import read_own

    return read_own(edges, features, labels, splits, missing=missing, skip=skip, directed=directed)
