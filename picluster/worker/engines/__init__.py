"""How tensors travel between workers."""

from __future__ import annotations

import sys
from importlib.util import find_spec
from typing import TYPE_CHECKING

from picluster.errors import MissingError
from picluster.schema.plan import EngineName, missing_engine

if TYPE_CHECKING:
    from picluster.worker.engines.base import Engine, Peers


def check(name: EngineName) -> None:
    """See whether an engine can be used here, before anybody waits for this worker. Imports nothing heavy.

    Raises:
        MissingError: it needs something that is not installed.
    """
    {"gloo": _check_nothing, "rpc": _check_rpc, "mpi": _check_mpi, "ray": _check_ray}[name]()


def connect(name: EngineName, peers: Peers) -> Engine:
    """Join the other workers of the run; returns when all are there."""
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


def _check_nothing() -> None:
    """Gloo is a part of every torch that we install."""


def _check_rpc() -> None:
    from torch.distributed import rpc

    if not rpc.is_available():
        raise MissingError("this torch has no torch.distributed.rpc", fix="use --engine gloo")


def _check_mpi() -> None:
    if sys.platform != "linux":
        raise MissingError("the mpi engine needs Linux", fix="use --engine gloo")
    from picluster.worker.engines.mpi.daemon import find_program

    lacking = [] if find_spec("mpi4py") else ["mpi4py"]
    lacking += [] if find_program("mpirun") and find_program("prted") else ["Open MPI 5"]
    if lacking:
        raise missing_engine("mpi", lacking)
    _check_setpriv("mpi")


def _check_ray() -> None:
    if not find_spec("ray"):
        raise missing_engine("ray", ["ray"])
    _check_setpriv("ray")


def _check_setpriv(name: str) -> None:
    """What an engine starts must not outlive a worker that is killed."""
    from picluster.worker.engines.mpi.daemon import find_program

    if not find_program("setpriv"):
        raise MissingError(f"the {name} engine needs setpriv, which this node lacks", fix="sudo apt install util-linux")
