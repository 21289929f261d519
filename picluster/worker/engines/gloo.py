"""Gloo: point-to-point messages of torch.distributed over TCP."""

from __future__ import annotations

import multiprocessing
import os
import sys
import time
from multiprocessing.connection import wait

import torch
import torch.distributed as dist
from torch import Tensor

from picluster.errors import RunFailed
from picluster.schema.job import Endpoint
from picluster.worker.engines.base import PEER_TIMEOUT, Peers, Sending, TorchSending, listen, peer_errors

TRIAL_SECONDS = 300.0
"""Time that the exchange of two processes may take: far more than a busy or an emulated Pi needs."""
_TRIAL_BYTES = 1 << 20


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
        tensors = [torch.tensor([len(message)]), message]
        with peer_errors(f"cannot send to worker {to}"):
            works = [dist.isend(part, to, tag=channel) for part in tensors]
        return TorchSending(to, works, tensors)

    def receive(self, source: int, channel: int) -> Tensor:
        """The next message of that worker; see `Engine.receive`."""
        with peer_errors(f"cannot receive from worker {source}"):
            length = torch.empty(1, dtype=torch.int64)
            dist.recv(length, source, tag=channel)
            message = torch.empty(int(length), dtype=torch.uint8)
            dist.recv(message, source, tag=channel)
        return message

    def close(self) -> None:
        """Leave the process group."""
        dist.destroy_process_group()


def exchange(address: str, interface: str) -> float:
    """Try Gloo: two processes multiply and send each other the product, by the data plane's address and interface.

    For a process in which torch has not computed yet. Returns the seconds that it took, with the start of the
    processes; RunFailed where one of them failed, or they took too long.
    """
    began = time.monotonic()
    # They share what importing torch has taken: on 512 MB it would not fit twice. torch has computed nothing yet, so it
    # has no threads that a fork would lose.
    context = multiprocessing.get_context("fork")
    ports = context.SimpleQueue()
    workers = [context.Process(target=_take_part, args=(rank, address, interface, ports)) for rank in range(2)]
    for worker in workers:
        worker.start()
    deadline, left = began + TRIAL_SECONDS, list(workers)
    while left and not any(worker.exitcode for worker in workers) and time.monotonic() < deadline:
        wait([worker.sentinel for worker in left], deadline - time.monotonic())
        left = [worker for worker in left if worker.exitcode is None]
    codes = [worker.exitcode for worker in workers]
    for worker in workers:
        worker.kill()
    if codes != [0, 0]:
        failed = [code for code in codes if code]
        told = f"one ended with exit code {failed[0]}" if failed else f"not done after {TRIAL_SECONDS:.0f} s"
        raise RunFailed(f"two processes could not exchange over Gloo on {address} ({interface}): {told}")
    return time.monotonic() - began


def _take_part(rank: int, address: str, interface: str, ports: multiprocessing.SimpleQueue[int]) -> None:
    os.environ["TORCH_CPP_LOG_LEVEL"] = "ERROR"
    listener = listen(address) if rank == 0 else None
    if listener:
        ports.put(listener.getsockname()[1])
    port = listener.getsockname()[1] if listener else ports.get()
    endpoints = tuple(Endpoint(node=f"process {each}", address=address, port=port) for each in range(2))
    engine = GlooEngine(Peers(rank, endpoints, interface, b"", listener))
    product = torch.full((512, 512), 2.0 + rank) @ torch.ones(512, 512)
    sending = engine.send(1 - rank, 0, product.view(torch.uint8).view(-1)[:_TRIAL_BYTES])
    received = engine.receive(1 - rank, 0).view(torch.float32)
    sending.wait()
    engine.close()
    expected = (3.0 - rank) * 512
    if len(received) * 4 != _TRIAL_BYTES or bool((received != expected).any()):
        sys.exit("what arrived is wrong")
