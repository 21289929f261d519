"""The engine protocol: messages between numbered workers, in order for each pair and channel."""

from __future__ import annotations

import socket
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Protocol

from torch.distributed import TCPStore  # type: ignore[attr-defined]  # documented, yet not in __all__

if TYPE_CHECKING:
    from torch import Tensor

CONNECT_TIMEOUT = timedelta(minutes=2)
# The controller's heartbeat is what finds a dead link; an engine only must not give up on a slow peer before that.
PEER_TIMEOUT = timedelta(hours=1)


@dataclass(frozen=True)
class Peers:
    """Where this worker stands among the others of a run."""

    rank: int
    """This worker's number."""
    world_size: int
    """How many there are."""
    interface: str
    """Network interface of the data plane."""
    address: str
    """This worker's IP address there."""
    store: TCPStore
    """Through which the peers find each other."""
    fail: Callable[[BaseException], None] | None = None
    """Ends this worker and tells why, from any thread: for what an engine notices by itself."""


class Sending(Protocol):
    """A message on its way."""

    def wait(self) -> None:
        """Return when the other side has taken the message; raises PeerLost."""


class Engine(Protocol):
    """What the pipeline asks of every way of sending."""

    def send(self, to: int, channel: int, message: Tensor) -> Sending:
        """Begin to send `message` (n,) uint8. It must stay as it is until `wait` of the result returns."""

    def receive(self, source: int, channel: int) -> Tensor:
        """The next message (n,) uint8 of that worker and channel; waits for it. Raises PeerLost."""

    def close(self) -> None:
        """Leave; every worker calls it after its last message has been taken."""


def listen(address: str) -> socket.socket:
    """A socket for the rendezvous store, on one address and a free port: by itself the store listens on all."""
    listener = socket.create_server((address, 0), backlog=256)
    listener.set_inheritable(False)
    return listener


def rendezvous(address: str, port: int, world_size: int, listener: socket.socket | None) -> TCPStore:
    """The store of a run: served by the worker that has the listener, used by all."""
    if listener is None:
        return TCPStore(address, port, world_size, is_master=False, timeout=CONNECT_TIMEOUT)
    # The store closes the descriptor itself.
    descriptor = listener.detach()
    return TCPStore(
        address,
        port,
        world_size,
        is_master=True,
        timeout=CONNECT_TIMEOUT,
        master_listen_fd=descriptor,
        wait_for_workers=False,
    )
