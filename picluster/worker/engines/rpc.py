"""torch.distributed.rpc: messages are put into a mailbox on the peer. For comparison: torch only maintains it.

Arguments of such a call are pickled by torch; the mailbox takes nothing but numbers and one tensor.
"""

from __future__ import annotations

import os
import threading
from collections import defaultdict
from typing import TYPE_CHECKING, ClassVar

from torch.distributed import rpc
from torch.distributed.rendezvous import register_rendezvous_handler
from torch.futures import Future

from picluster.errors import MissingError, PeerLost
from picluster.worker.engines.base import PEER_TIMEOUT, Peers, Sending

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import Tensor
    from torch.distributed import TCPStore  # type: ignore[attr-defined]

_SCHEME = "picluster"


class RpcEngine:
    """Calls carry a sequence number: the agent's threads may run two calls of one peer in either order."""

    def __init__(self, peers: Peers) -> None:
        if not rpc.is_available():
            raise MissingError("this torch has no torch.distributed.rpc", fix="use --engine gloo")
        os.environ["TP_SOCKET_IFNAME"] = peers.interface
        os.environ["GLOO_SOCKET_IFNAME"] = peers.interface  # init_rpc and shutdown exchange names over Gloo
        self._rank = peers.rank
        self._sent: dict[tuple[int, int], int] = defaultdict(int)
        self._taken: dict[tuple[int, int], int] = defaultdict(int)
        _offer_store(peers)
        options = rpc.TensorPipeRpcBackendOptions(
            num_worker_threads=4,
            rpc_timeout=PEER_TIMEOUT.total_seconds(),
            init_method=f"{_SCHEME}://store",
            # TCP also within one host, where it would else use shared memory and hide what crosses.
            _transports=["uv"],
            _channels=["basic"],
        )
        name = _name(peers.rank)
        rpc.init_rpc(name, rank=peers.rank, world_size=peers.world_size, rpc_backend_options=options)  # type: ignore[no-untyped-call]

    def send(self, to: int, channel: int, message: Tensor) -> Sending:
        """Begin to send `message`; see `Engine.send`."""
        place = self._sent[to, channel]
        self._sent[to, channel] += 1
        try:
            future = rpc.rpc_async(_name(to), _deliver, args=(self._rank, channel, place, message))
        except RuntimeError as error:
            raise PeerLost(f"cannot send to worker {to}: {error}") from error
        return _RpcSending(to, future)

    def receive(self, source: int, channel: int) -> Tensor:
        """The next message of that worker; see `Engine.receive`."""
        place = self._taken[source, channel]
        self._taken[source, channel] += 1
        return _Mailbox.take((source, channel, place))

    def close(self) -> None:
        """Leave the agents' group."""
        rpc.shutdown(graceful=True)


class _RpcSending:
    def __init__(self, to: int, future: Future[None]) -> None:
        self._to = to
        self._future = future

    def wait(self) -> None:
        try:
            self._future.wait()
        except RuntimeError as error:
            raise PeerLost(f"cannot send to worker {self._to}: {error}") from error


class _Mailbox:
    """Messages that came and were not taken yet. A call is answered when its message is taken."""

    _messages: ClassVar[dict[tuple[int, int, int], tuple[Tensor, Future[None]]]] = {}
    _changed: ClassVar[threading.Condition] = threading.Condition()

    @classmethod
    def put(cls, address: tuple[int, int, int], message: Tensor) -> Future[None]:
        taken: Future[None] = Future()
        with cls._changed:
            cls._messages[address] = (message, taken)
            cls._changed.notify_all()
        return taken

    @classmethod
    def take(cls, address: tuple[int, int, int]) -> Tensor:
        with cls._changed:
            if not cls._changed.wait_for(lambda: address in cls._messages, timeout=PEER_TIMEOUT.total_seconds()):
                raise PeerLost(f"worker {address[0]} sent nothing for {PEER_TIMEOUT}")
            message, taken = cls._messages.pop(address)
        taken.set_result(None)
        return message


@rpc.functions.async_execution  # type: ignore[untyped-decorator]
def _deliver(source: int, channel: int, place: int, message: Tensor) -> Future[None]:
    """Runs on the receiver."""
    return _Mailbox.put((source, channel, place), message)


def _name(rank: int) -> str:
    return f"worker{rank}"


def _offer_store(peers: Peers) -> None:
    """Let `init_rpc` use the run's store; by itself it would open one that listens on every address."""

    def handler(_url: str) -> Iterator[tuple[TCPStore, int, int]]:
        yield peers.store, peers.rank, peers.world_size

    register_rendezvous_handler(_SCHEME, handler)  # type: ignore[no-untyped-call]
