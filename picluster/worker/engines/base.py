"""The engine protocol: messages between numbered workers, in order for each pair and channel."""

import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol

from torch import Tensor
from torch.distributed import TCPStore, Work  # type: ignore[attr-defined]  # documented, yet not in __all__
from torch.futures import Future

from picluster.errors import PeerLost

CONNECT_TIMEOUT = timedelta(minutes=2)
# The controller's heartbeat is what finds a dead link; an engine only must not give up on a slow peer before that.
PEER_TIMEOUT = timedelta(hours=1)


@dataclass(frozen=True)
class Peers:
    """A worker's place among the others of a run."""

    rank: int
    """This worker's number."""
    world_size: int
    """Number of workers."""
    interface: str
    """Network interface of the data plane."""
    address: str
    """This worker's IP address there."""
    store: TCPStore
    """The run's store, through which the workers find each other."""
    fail: Callable[[BaseException], None] | None = None
    """Ends this worker and tells why, from any thread: for what an engine notices by itself."""

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

    def send(self, to: int, channel: int, message: Tensor) -> Sending:
        """Begin to send `message` (n,) uint8. It must stay as it is until `wait` of the result returns."""

    def receive(self, source: int, channel: int) -> Tensor:
        """The next message (n,) uint8 of that worker and channel; waits for it. Raises PeerLost."""

    def close(self) -> None:
        """Leave; every worker calls it after its last message has been taken."""


@contextmanager
def peer_errors(what: str) -> Iterator[None]:
    """Raise PeerLost where torch raises RuntimeError: workers have no other errors from the network."""
    try:
        yield
    except RuntimeError as error:
        raise PeerLost(f"{what}: {error}") from error


class TorchSending:
    """A message that torch carries. Holds works and tensors: Gloo hangs when they are dropped before they are done."""

    def __init__(self, to: int, works: Sequence[Work | Future[None] | None], tensors: Sequence[Tensor]) -> None:
        self._to, self._works, self._tensors = to, works, tensors

    def wait(self) -> None:
        """Return when the other side has taken the message; raises PeerLost."""
        with peer_errors(f"cannot send to worker {self._to}"):
            for work in self._works:
                if work is not None:
                    work.wait()


def listen(address: str) -> socket.socket:
    """Open a socket for the rendezvous store, on one address and a free port: by itself the store listens on all."""
    listener = socket.create_server((address, 0), backlog=256)
    listener.set_inheritable(False)
    return listener


def rendezvous(address: str, port: int, world_size: int, listener: socket.socket | None) -> TCPStore:
    """Join the store of a run, which the worker that has the listener serves."""
    if listener is None:
        return TCPStore(address, port, world_size, is_master=False, timeout=CONNECT_TIMEOUT)
    return TCPStore(
        address,
        port,
        world_size,
        is_master=True,
        timeout=CONNECT_TIMEOUT,
        master_listen_fd=listener.detach(),  # the store closes it itself
        wait_for_workers=False,
    )
