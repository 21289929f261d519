"""Engines: the ways in which bytes travel between workers."""

from __future__ import annotations

import os
import shutil
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from picluster.errors import MissingError
from picluster.schema.plan import ENGINE_PACKAGES, EngineName, missing_engine

if TYPE_CHECKING:
    from picluster.worker.engines.base import Engine, Peers


def check(name: EngineName) -> None:
    """Raise MissingError where an engine lacks something, before anybody waits for this worker; imports little."""
    if name == "rpc":
        from torch.distributed import rpc

        if not rpc.is_available():
            raise MissingError("this torch has no torch.distributed.rpc", fix="leave --engine out")
    if name == "mpi" and sys.platform != "linux":
        raise MissingError("the mpi engine needs Linux", fix="leave --engine out")
    lacking = [package for package in ENGINE_PACKAGES[name] if not find_spec(package)]
    if name == "mpi" and not (find_program("mpirun") and find_program("prted")):
        lacking.append("Open MPI 5")
    if lacking:
        raise missing_engine(name, lacking)
    # What an engine starts must not outlive a worker that is killed.
    if name in ("mpi", "ray") and not find_program("setpriv"):
        what = f"the {name} engine needs setpriv, which this node lacks"
        raise MissingError(what, fix="sudo apt install util-linux")


def connect(name: EngineName, peers: Peers) -> Engine:
    """Join the other workers of the run; returns when all are there."""
    if name == "sockets":
        from picluster.worker.engines.sockets.engine import SocketsEngine

        return SocketsEngine(peers)
    if name == "rpc":
        from picluster.worker.engines.rpc import RpcEngine

        return RpcEngine(peers)
    if name == "mpi":
        from picluster.worker.engines.mpi.engine import MpiEngine

        return MpiEngine(peers)
    if name == "ray":
        from picluster.worker.engines.ray.engine import RayEngine

        return RayEngine(peers)
    from picluster.worker.engines.gloo import GlooEngine

    return GlooEngine(peers)


def listens(name: EngineName, rank: int, world_size: int) -> bool:
    """True where other workers call this one: over sockets those of higher rank do; a store has worker 0 alone."""
    return rank < world_size - 1 if name == "sockets" else rank == 0


def find_program(name: str) -> str | None:
    """Find a program of this environment, else of the system."""
    return shutil.which(name, path=f"{Path(sys.prefix) / 'bin'}{os.pathsep}{os.environ.get('PATH', '')}")
