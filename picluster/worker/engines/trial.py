"""Trial of what a node needs for a run: two processes on it that compute, and exchange over the engine of every run."""

from __future__ import annotations

import multiprocessing
import secrets
import sys
import time
from multiprocessing.connection import wait

import numpy as np
import torch

from picluster.errors import RunFailed
from picluster.schema.job import Endpoint
from picluster.schema.plan import DEFAULT_ENGINE
from picluster.worker.engines import connect
from picluster.worker.engines.base import Peers, listen

TRIAL_SECONDS = 300.0
"""Time that the exchange of two processes may take: far more than a busy or an emulated Pi needs."""
_TRIAL_BYTES = 1 << 20


def exchange(address: str) -> float:
    """Let two processes multiply and send each other the product, from and to the data plane's address.

    For a process in which torch has not computed yet. Returns the seconds that it took, with the start of the
    processes; RunFailed where one of them failed, or they took too long.
    """
    began = time.monotonic()
    # They share what importing torch has taken: on 512 MB it would not fit twice. torch has computed nothing yet, so it
    # has no threads that a fork would lose.
    context = multiprocessing.get_context("fork")
    ports, token = context.SimpleQueue(), secrets.token_bytes()
    workers = [context.Process(target=_take_part, args=(rank, address, token, ports)) for rank in range(2)]
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
        raise RunFailed(f"two processes could not exchange over {DEFAULT_ENGINE} on {address}: {told}")
    return time.monotonic() - began


def _take_part(rank: int, address: str, token: bytes, ports: multiprocessing.SimpleQueue[int]) -> None:
    listener = listen(address) if rank == 0 else None
    if listener:
        ports.put(listener.getsockname()[1])
    port = listener.getsockname()[1] if listener else ports.get()
    endpoints = tuple(Endpoint(node=f"process {each}", address=address, port=port) for each in range(2))
    engine = connect(DEFAULT_ENGINE, Peers(rank, endpoints, "", token, listener))
    product = torch.full((512, 512), 2.0 + rank) @ torch.ones(512, 512)
    sending = engine.send(1 - rank, 0, product.view(torch.uint8).view(-1)[:_TRIAL_BYTES].numpy())
    received = engine.receive(1 - rank, 0).view(np.float32)
    sending.wait()
    engine.close()
    expected = (3.0 - rank) * 512
    if len(received) * 4 != _TRIAL_BYTES or bool((received != expected).any()):
        sys.exit("what arrived is wrong")
