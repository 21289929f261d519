"""The engine protocol: messages between numbered workers, in order for each pair and channel."""

from __future__ import annotations

import socket
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from picluster.schema.job import Endpoint

if TYPE_CHECKING:
    from torch.distributed import TCPStore  # type: ignore[attr-defined]  # documented, yet not in __all__

Bytes: TypeAlias = NDArray[np.uint8]
"""A packed message: (n,)."""
ALIGNMENT = 64
"""As torch aligns its own memory: BLAS may add in another order where its operands are aligned otherwise."""

CONNECT_TIMEOUT = timedelta(minutes=2)
# The controller's heartbeat is what finds a dead link; an engine only must not give up on a slow peer before that.
PEER_TIMEOUT = timedelta(hours=1)


@dataclass(frozen=True)
class Peers:
    """A worker's place among the others of a run."""

    rank: int
    """This worker's number."""
    endpoints: tuple[Endpoint, ...]
    """Endpoints of all workers, by rank."""
    interface: str
    """Network interface of the data plane."""
    token: bytes = field(repr=False)
    """The run's secret: whoever knows it is a worker of the run."""
    listener: socket.socket | None = None
    """Socket on which others call this worker; None where they do not."""
    silence_seconds: float = 60.0
    """A connection on which so long nothing is acknowledged is broken."""
    fail: Callable[[BaseException], None] | None = None
    """Ends this worker and tells why, from any thread: for what an engine notices by itself."""

    @property
    def world_size(self) -> int:
        """Number of workers."""
        return len(self.endpoints)

    @property
    def address(self) -> str:
        """This worker's IP address in the data plane."""
        return self.endpoints[self.rank].address

    @cached_property
    def store(self) -> TCPStore:
        """The run's store, which worker 0 serves: through it workers find each other. It asks nobody for the token."""
        from torch.distributed import TCPStore  # type: ignore[attr-defined]  # a sampler over sockets needs no torch

        first, is_first = self.endpoints[0], self.rank == 0
        assert first.port is not None
        if not is_first:
            return TCPStore(first.address, first.port, self.world_size, is_master=False, timeout=CONNECT_TIMEOUT)
        assert self.listener is not None
        return TCPStore(
            first.address,
            first.port,
            self.world_size,
            is_master=True,
            timeout=CONNECT_TIMEOUT,
            master_listen_fd=self.listener.detach(),  # the store closes it itself
            wait_for_workers=False,
        )

    def exchange(self, key: str, value: str) -> list[str]:
        """Tell the other workers a value; returns those of all, by rank."""
        self.store.set(f"{key}/{self.rank}", value)
        return [self.store.get(f"{key}/{rank}").decode() for rank in range(self.world_size)]


class Sending(Protocol):
    """A message on its way."""

    def wait(self) -> None:
        """Return when the other side has taken the message; raises PeerLost."""


class Engine(Protocol):
    """A way to carry bytes between the workers of a run."""

    def send(self, to: int, channel: int, message: Bytes) -> Sending:
        """Begin to send `message`. It must stay as it is until `wait` of the result returns."""

    def receive(self, source: int, channel: int) -> Bytes:
        """The next message of that worker and channel, aligned; waits for it. Raises PeerLost."""

    def close(self) -> None:
        """Leave; every worker calls it after its last message has been taken."""


def empty_bytes(size: int) -> Bytes:
    """Make room for a message whose memory begins at a multiple of `ALIGNMENT`."""
    room = np.empty(size + ALIGNMENT - 1, np.uint8)
    begin = -room.ctypes.data % ALIGNMENT
    return room[begin : begin + size]


def listen(address: str) -> socket.socket:
    """Open a socket for a worker's peers, on one address and a free port."""
    listener = socket.create_server((address, 0), backlog=256)
    listener.set_inheritable(False)
    return listener
