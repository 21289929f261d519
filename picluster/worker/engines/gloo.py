"""Gloo: point-to-point messages of torch.distributed over TCP. The default."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import torch
import torch.distributed as dist
from torch import Tensor

from picluster.errors import PeerLost
from picluster.worker.engines.base import PEER_TIMEOUT, Peers, Sending

if TYPE_CHECKING:
    from torch.distributed import Work


class GlooEngine:
    """Each message is its length and then its bytes: Gloo's receiver must know the size beforehand."""

    def __init__(self, peers: Peers) -> None:
        # Gloo would otherwise advertise what the host's name resolves to, which on Ubuntu is 127.0.1.1.
        os.environ["GLOO_SOCKET_IFNAME"] = peers.interface
        dist.init_process_group(
            "gloo", store=peers.store, rank=peers.rank, world_size=peers.world_size, timeout=PEER_TIMEOUT
        )

    def send(self, to: int, channel: int, message: Tensor) -> Sending:
        """Begin to send `message`; see `Engine.send`."""
        length = torch.tensor([len(message)])
        try:
            works = [dist.isend(part, to, tag=channel) for part in (length, message)]
        except RuntimeError as error:
            raise PeerLost(f"cannot send to worker {to}: {error}") from error
        return _GlooSending(to, [length, message], works)

    def receive(self, source: int, channel: int) -> Tensor:
        """The next message of that worker; see `Engine.receive`."""
        try:
            length = torch.empty(1, dtype=torch.int64)
            dist.recv(length, source, tag=channel)
            message = torch.empty(int(length), dtype=torch.uint8)
            dist.recv(message, source, tag=channel)
        except RuntimeError as error:
            raise PeerLost(f"cannot receive from worker {source}: {error}") from error
        return message

    def close(self) -> None:
        """Leave the process group."""
        dist.destroy_process_group()


class _GlooSending:
    """Holds the works and their tensors: Gloo hangs when they are dropped before they are done."""

    def __init__(self, to: int, tensors: list[Tensor], works: list[Work | None]) -> None:
        self._to = to
        self._tensors = tensors
        self._works = works

    def wait(self) -> None:
        try:
            for work in self._works:
                if work is not None:
                    work.wait()
        except RuntimeError as error:
            raise PeerLost(f"cannot send to worker {self._to}: {error}") from error
