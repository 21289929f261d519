"""Workers over sockets as threads of one process: real connections on loopback."""

from __future__ import annotations

import secrets
import socket
from collections.abc import Callable
from functools import partial
from typing import TypeVar

from picluster.schema.job import Endpoint
from picluster.worker.engines.base import Peers, listen
from picluster.worker.engines.sockets.engine import SocketsEngine
from tests.unit.worker.roles.threads import in_threads

LOOPBACK = "127.0.0.1"
Found = TypeVar("Found")


def make_peers(size: int, *, tokens: list[bytes] | None = None) -> list[Peers]:
    """Of each worker by rank; all but the last listen."""
    token = secrets.token_bytes(32)
    listeners = [listen(LOOPBACK) if rank < size - 1 else None for rank in range(size)]
    ports = [None if listener is None else listener.getsockname()[1] for listener in listeners]
    endpoints = tuple(Endpoint(node=f"pi{rank}", address=LOOPBACK, port=port) for rank, port in enumerate(ports))
    each = tokens or [token] * size
    return [Peers(rank, endpoints, "lo", each[rank], listeners[rank]) for rank in range(size)]


def door_of(peers: Peers) -> tuple[str, int]:
    assert peers.listener is not None
    host, port = peers.listener.getsockname()
    return host, port


def connect_all(peers: list[Peers]) -> list[SocketsEngine]:
    """The engines, when all have met."""
    made = in_threads({str(each.rank): partial(SocketsEngine, each) for each in peers})
    return [made[str(each.rank)] for each in peers]


def close_all(engines: list[SocketsEngine]) -> None:
    in_threads({str(number): engine.close for number, engine in enumerate(engines)})


def at_once(*works: Callable[[], Found]) -> list[Found]:
    made = in_threads({str(number): work for number, work in enumerate(works)})
    return [made[str(number)] for number in range(len(works))]


def is_closed(connection: socket.socket, within_seconds: float) -> bool:
    """Whether the other side closes it in that time; what it says before is read."""
    connection.settimeout(within_seconds)
    try:
        while connection.recv(4096):
            pass
    except TimeoutError:
        return False
    except ConnectionError:
        return True
    return True
