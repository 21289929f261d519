"""Gloo: point-to-point messages of torch.distributed over TCP."""

from __future__ import annotations

import os

import torch
import torch.distributed as dist

from picluster.worker.engines.base import PEER_TIMEOUT, Bytes, Peers, Sending, empty_bytes
from picluster.worker.engines.torch_sending import TorchSending, peer_errors


class GlooEngine:
    """Each message is its length and then its bytes: Gloo's receiver must know the size beforehand."""

    def __init__(self, peers: Peers) -> None:
        # Gloo would otherwise advertise what the host's name resolves to, which on Ubuntu is 127.0.1.1.
        os.environ["GLOO_SOCKET_IFNAME"] = peers.interface
        dist.init_process_group(
            "gloo", store=peers.store, rank=peers.rank, world_size=peers.world_size, timeout=PEER_TIMEOUT
        )

    def send(self, to: int, channel: int, message: Bytes) -> Sending:
        """Begin to send `message`; see `Engine.send`."""
        tensors = [torch.tensor([len(message)]), torch.from_numpy(message)]
        with peer_errors(f"cannot send to worker {to}"):
            works = [dist.isend(part, to, tag=channel) for part in tensors]
        return TorchSending(to, works, tensors)

    def receive(self, source: int, channel: int) -> Bytes:
        """The next message of that worker; see `Engine.receive`."""
        with peer_errors(f"cannot receive from worker {source}"):
            length = torch.empty(1, dtype=torch.int64)
            dist.recv(length, source, tag=channel)
            message = empty_bytes(int(length))
            dist.recv(torch.from_numpy(message), source, tag=channel)
        return message

    def close(self) -> None:
        """Leave the process group."""
        dist.destroy_process_group()
