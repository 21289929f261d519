"""Packages that an engine needs besides torch, and the error where a node lacks them."""

from __future__ import annotations

from collections.abc import Sequence

from picluster.errors import MissingError
from picluster.schema.plan import EngineName

PACKAGES: dict[EngineName, tuple[str, ...]] = {"gloo": (), "rpc": (), "mpi": ("mpi4py",), "ray": ("ray",)}
_ON_PIS = "picluster_engines: [{0}] in the inventory, then picluster provision"
_INSTALL = f"on this machine: make setup EXTRAS={{0}}; on Pis: {_ON_PIS}"


def missing(engine: EngineName, lacking: Sequence[str]) -> MissingError:
    """The error of a node that lacks what an engine needs."""
    what = f"the {engine} engine needs {' and '.join(lacking)}, which this node lacks"
    return MissingError(what, fix=_INSTALL.format(engine))
