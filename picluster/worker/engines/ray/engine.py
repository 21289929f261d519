"""Ray: every worker has an actor on its machine, to which the others bring messages as objects of Ray's store."""

from __future__ import annotations

import os

# Ray reads its environment when it is imported. What the person told it for clusters of his own is not for this one.
for _setting in [name for name in os.environ if name.startswith("RAY_")]:
    del os.environ[_setting]
os.environ.update(
    RAY_AUTH_MODE="token",
    RAY_USAGE_STATS_ENABLED="0",
    # With it on, Ray would take the address of the default route in the place of 127.0.0.1, and listen there.
    RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER="0",
)

# ruff: noqa: E402
import hmac
import json
import signal
from collections import defaultdict
from contextlib import suppress
from dataclasses import asdict
from datetime import timedelta
from itertools import count
from typing import Any

import ray
from ray.exceptions import RayError
from torch.distributed import DistError

from picluster.errors import PeerLost, RunFailed
from picluster.worker.engines.base import CONNECT_TIMEOUT, PEER_TIMEOUT, Bytes, Peers, Sending, empty_bytes
from picluster.worker.engines.ray.node import RayCluster, RayNode, resource_of
from picluster.worker.engines.ray.office import PostOffice

INLINE_BYTES = 64 << 10
"""A message up to this size travels within the call; Ray would put one above 100 KB into its store by itself."""
PEER_SECONDS = PEER_TIMEOUT.total_seconds()
LEAVE_TIMEOUT = timedelta(seconds=20)
"""A small node under load takes its time."""


class RayEngine:
    """A message lies in the sender's object store; what the receiver's actor is given is the reference.

    The receiver has Ray copy the object into its own store. So its actor never touches what it passes on, and a store
    holds what its worker sends and the one message that it is taking: nothing that comes unasked can fill it. Calls
    carry a sequence number: an actor may begin two of one caller in either order.
    """

    def __init__(self, peers: Peers) -> None:
        self._peers = peers
        self._sent: dict[tuple[int, int], count[int]] = defaultdict(count)
        self._taken: dict[tuple[int, int], count[int]] = defaultdict(count)
        os.environ["RAY_AUTH_TOKEN"] = hmac.digest(peers.token, b"ray", "sha256").hex()
        addresses = peers.exchange("ray/address", peers.address)
        self._machines = len(set(addresses))
        self._node = self._start_node(addresses)
        peers.store.wait([f"ray/node/{peers.address}"], CONNECT_TIMEOUT)
        try:
            self._offices = self._open_offices()
        finally:
            if self._node:
                self._node.clear()
        if self._node and peers.fail:
            self._node.watch(peers.fail)

    def send(self, to: int, channel: int, message: Bytes) -> Sending:
        """Begin to send `message`; see `Engine.send`."""
        # The enumeration of channels would have the actor import torch.
        label = (self._peers.rank, int(channel), next(self._sent[to, channel]))
        try:
            parcel = message if len(message) <= INLINE_BYTES else [ray.put(message)]
            delivery = self._offices[to].deliver.remote(label, parcel)
        except RayError as error:
            raise self.lost(f"cannot send to worker {to}", error) from error
        return _RaySending(self, to, delivery)

    def receive(self, source: int, channel: int) -> Bytes:
        """The next message of that worker; see `Engine.receive`."""
        label = (source, int(channel), next(self._taken[source, channel]))
        own = self._offices[self._peers.rank]
        try:
            parcel = ray.get(own.take.remote(label), timeout=PEER_SECONDS)
            content = ray.get(parcel[0], timeout=PEER_SECONDS) if isinstance(parcel, list) else parcel
        except RayError as error:
            raise self.lost(f"cannot receive from worker {source}", error) from error
        # Ray's memory is read-only, and aligned otherwise than torch's own.
        message = empty_bytes(len(content))
        message[:] = content
        return message

    def lost(self, what: str, error: RayError) -> RunFailed:
        """Explain an error of Ray: one of this machine's processes has ended, or somebody else's."""
        try:
            if self._node:
                self._node.look()
        except RunFailed as cause:
            return cause
        return PeerLost(f"{what}: {type(error).__name__}: {str(error).splitlines()[0]}")

    def close(self) -> None:
        """Leave the cluster; the last of a machine ends its processes, and the cluster's server ends last."""
        everybody, others = self._peers.world_size, self._machines - 1
        # An office says that a message was taken a moment after it was; with its worker it is gone.
        self._arrive("ray/flushed", everybody)
        self._await("ray/flushed")
        ray.shutdown()
        self._arrive("ray/left", everybody)
        if self._node:
            self._await("ray/left")
            if self._peers.rank == 0 and others:
                self._await("ray/ended")
            self._node.close()
            self._arrive("ray/ended", others)

    def _start_node(self, addresses: list[str]) -> RayNode | None:
        """The first worker of each machine starts Ray there, worker 0 before all others."""
        rank, address, store = self._peers.rank, self._peers.address, self._peers.store
        if addresses.index(address) != rank:
            return None
        cluster = RayCluster(**json.loads(store.get("ray/cluster"))) if rank else None
        node = RayNode(address, cluster, [rank for rank, its in enumerate(addresses) if its == address])
        if rank == 0:
            store.set("ray/cluster", json.dumps(asdict(node.cluster)))
        store.set(f"ray/node/{address}", "")
        return node

    def _open_offices(self) -> list[Any]:
        """Join the cluster, open this worker's office, and find those of all others."""
        cluster = RayCluster(**json.loads(self._peers.store.get("ray/cluster")))
        try:
            before = signal.getsignal(signal.SIGTERM)
            ray.init(
                address=f"{cluster.address}:{cluster.port}",
                _node_ip_address=self._peers.address,
                namespace="picluster",
                log_to_driver=False,
                configure_logging=False,
            )
            signal.signal(signal.SIGTERM, before)  # Ray has replaced it
            office = ray.remote(PostOffice).options(
                name=_name(self._peers.rank), num_cpus=0, resources={resource_of(self._peers.rank): 1}
            )
            own: Any = office.remote()
            ray.get(own.open.remote(), timeout=CONNECT_TIMEOUT.total_seconds())
            self._peers.exchange("ray/office", "open")
            return [
                own if rank == self._peers.rank else ray.get_actor(_name(rank))
                for rank in range(self._peers.world_size)
            ]
        except (RayError, RuntimeError, ValueError, ConnectionError) as error:
            what = f"cannot join the Ray cluster: {str(error).splitlines()[0]}"
            raise RunFailed(what, fix="picluster doctor; or another --engine") from error

    def _arrive(self, key: str, number: int) -> None:
        """Count this worker at a barrier; the last of `number` workers lets those go on that wait in `_await`."""
        if self._peers.store.add(key, 1) == number:
            self._peers.store.set(f"{key}/all", "")

    def _await(self, key: str) -> None:
        """Wait until all have arrived. One that is late does not hold up the end: its messages have been taken."""
        with suppress(DistError):
            self._peers.store.wait([f"{key}/all"], LEAVE_TIMEOUT)


class _RaySending:
    def __init__(self, engine: RayEngine, to: int, delivery: ray.ObjectRef[None]) -> None:
        self._engine, self._to, self._delivery = engine, to, delivery

    def wait(self) -> None:
        try:
            ray.get(self._delivery, timeout=PEER_SECONDS)
        except RayError as error:
            raise self._engine.lost(f"cannot send to worker {self._to}", error) from error


def _name(rank: int) -> str:
    return f"post-office-{rank}"
