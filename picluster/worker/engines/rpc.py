"""torch.distributed.rpc: messages are put into a mailbox on the peer. For comparison: torch only maintains it.

Arguments of such a call are pickled by torch; the mailbox takes nothing but numbers and one tensor.
"""

import os
import threading
from collections import defaultdict
from itertools import count

import torch
from torch import Tensor
from torch.distributed import rpc
from torch.distributed.rendezvous import register_rendezvous_handler
from torch.futures import Future

from picluster.errors import PeerLost
from picluster.worker.engines.base import PEER_TIMEOUT, Bytes, Peers, Sending
from picluster.worker.engines.torch_sending import TorchSending, peer_errors

_SCHEME = "picluster"
_arrived: dict[tuple[int, int, int], tuple[Tensor, Future[None]]] = {}
"""Messages that the other workers' calls have brought, by sender, channel and number."""
_changed = threading.Condition()


class RpcEngine:
    """Calls carry a sequence number: the agent's threads may run two calls of one peer in either order."""

    def __init__(self, peers: Peers) -> None:
        os.environ["TP_SOCKET_IFNAME"] = peers.interface
        os.environ["GLOO_SOCKET_IFNAME"] = peers.interface  # init_rpc and shutdown exchange names over Gloo
        self._rank = peers.rank
        self._sent: dict[tuple[int, int], count[int]] = defaultdict(count)
        self._taken: dict[tuple[int, int], count[int]] = defaultdict(count)
        # By itself init_rpc would open a store that listens on every address.
        store = iter([(peers.store, peers.rank, peers.world_size)])
        register_rendezvous_handler(_SCHEME, lambda _url: store)  # type: ignore[no-untyped-call]
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

    def send(self, to: int, channel: int, message: Bytes) -> Sending:
        """Begin to send `message`; see `Engine.send`."""
        number, tensor = next(self._sent[to, channel]), torch.from_numpy(message)
        with peer_errors(f"cannot send to worker {to}"):
            future = rpc.rpc_async(_name(to), _deliver, args=(self._rank, channel, number, tensor))
        return TorchSending(to, [future], [tensor])

    def receive(self, source: int, channel: int) -> Bytes:
        """The next message of that worker; see `Engine.receive`."""
        address = (source, channel, next(self._taken[source, channel]))
        with _changed:
            if not _changed.wait_for(lambda: address in _arrived, timeout=PEER_TIMEOUT.total_seconds()):
                raise PeerLost(f"worker {source} sent nothing for {PEER_TIMEOUT}")
            message, taken = _arrived.pop(address)
        taken.set_result(None)
        content: Bytes = message.numpy()
        return content

    def close(self) -> None:
        """Leave the agents' group."""
        rpc.shutdown(graceful=True)


@rpc.functions.async_execution  # type: ignore[untyped-decorator]
def _deliver(source: int, channel: int, number: int, message: Tensor) -> Future[None]:
    """Put a message down; the receiver's process runs this. The call is answered when the message is taken."""
    taken: Future[None] = Future()
    with _changed:
        _arrived[source, channel, number] = (message, taken)
        _changed.notify_all()
    return taken


def _name(rank: int) -> str:
    return f"worker{rank}"
