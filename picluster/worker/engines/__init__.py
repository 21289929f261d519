"""How tensors travel between workers."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from picluster.schema.plan import EngineName
    from picluster.worker.engines.base import Engine, Peers


def connect(name: EngineName, peers: Peers) -> Engine:
    """Join the other workers of the run; returns when all are there."""
    if name == "rpc":
        from picluster.worker.engines.rpc import RpcEngine

        return RpcEngine(peers)
    from picluster.worker.engines.gloo import GlooEngine

    return GlooEngine(peers)
