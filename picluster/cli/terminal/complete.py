"""Completion when Tab is pressed. Words that are not known here, such as paths, the shell completes itself."""

from collections.abc import Callable, Iterable
from contextlib import suppress

from picluster.project import GRAPHS, INVENTORIES, RUNS, model_names


def _completing(names: Callable[[], Iterable[str]]) -> Callable[[str], list[str]]:
    """Make the completion of a word by names that are looked up when Tab is pressed."""
    return lambda incomplete: sorted({name for name in names() if name.startswith(incomplete)})


@_completing
def datasets() -> Iterable[str]:
    """Names of data sets that can be prepared, and of graph folders."""
    from picluster.graph.names import KNOWN

    return (*KNOWN, *(file.parent.name for file in GRAPHS.glob("*/meta.json")))


@_completing
def graphs() -> Iterable[str]:
    """Names of graph folders, damaged ones too."""
    folders = (path for path in GRAPHS.glob("*") if path.is_dir() or path.is_symlink())
    return (path.name for path in folders if not path.name.startswith("."))


@_completing
def nodes() -> Iterable[str]:
    """Names of the nodes in the usual inventory."""
    from picluster.controller.nodes.inventory import default_inventory, read_inventory
    from picluster.errors import PiclusterError

    with suppress(PiclusterError):
        return [node.name for node in read_inventory(default_inventory())]
    return []


models = _completing(model_names)
runs = _completing(lambda: (file.parent.name for file in RUNS.glob("*/run.json")))
inventories = _completing(lambda: map(str, INVENTORIES.glob("*.yml")))
