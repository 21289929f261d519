"""Completion when Tab is pressed. Words that are not known here, such as paths, the shell completes itself."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress

from picluster.project import GRAPHS, INVENTORIES, RUNS, model_names


def models(incomplete: str) -> list[str]:
    """Names of the models."""
    return _beginning(incomplete, model_names())


def datasets(incomplete: str) -> list[str]:
    """Names of data sets that can be prepared, and of graph folders."""
    from picluster.graph.names import KNOWN

    return _beginning(incomplete, (*KNOWN, *(file.parent.name for file in GRAPHS.glob("*/meta.json"))))


def graphs(incomplete: str) -> list[str]:
    """Names of graph folders, damaged ones too."""
    folders = (path for path in GRAPHS.glob("*") if path.is_dir() or path.is_symlink())
    return _beginning(incomplete, (path.name for path in folders if not path.name.startswith(".")))


def runs(incomplete: str) -> list[str]:
    """Names of the runs."""
    return _beginning(incomplete, (file.parent.name for file in RUNS.glob("*/run.json")))


def nodes(incomplete: str) -> list[str]:
    """Names of the nodes in the usual inventory."""
    from picluster.controller.nodes.inventory import default_inventory, read_inventory
    from picluster.errors import PiclusterError

    with suppress(PiclusterError):
        return _beginning(incomplete, (node.name for node in read_inventory(default_inventory())))
    return []


def inventories(incomplete: str) -> list[str]:
    """Files in the usual place for inventories."""
    return _beginning(incomplete, map(str, INVENTORIES.glob("*.yml")))


def _beginning(incomplete: str, names: Iterable[str]) -> list[str]:
    return sorted({name for name in names if name.startswith(incomplete)})
