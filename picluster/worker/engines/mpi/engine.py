"""MPI: point-to-point messages of mpi4py over Open MPI's TCP, between workers that are themselves the MPI processes."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from picluster.worker.engines.base import CONNECT_TIMEOUT, Peers, Sending
from picluster.worker.engines.mpi.postman import MpiSending, Postman
from picluster.worker.engines.mpi.start import Membership

if TYPE_CHECKING:
    from torch import Tensor


class MpiEngine:
    """A message is taken from a peer when the one before it on its channel has been received: one waits here, at most.

    Sends are synchronous, in MPI's sense: they end when the other side takes them.
    """

    def __init__(self, peers: Peers) -> None:
        self._membership = Membership(peers)
        os.environ.update(_settings(peers))
        self._postman = Postman(self._membership)
        self._postman.start()
        self._postman.wait_for(lambda: self._postman.is_connected, CONNECT_TIMEOUT.total_seconds(), "everybody")
        self._membership.guard()

    def send(self, to: int, channel: int, message: Tensor) -> Sending:
        """Begin to send `message`; see `Engine.send`."""
        sending = MpiSending(self._postman, to, channel, message)
        self._postman.post(sending)
        return sending

    def receive(self, source: int, channel: int) -> Tensor:
        """The next message of that worker; see `Engine.receive`."""
        return self._postman.receive(source, channel)

    def close(self) -> None:
        """Leave the job; returns when Open MPI has ended here."""
        self._postman.finish()
        self._membership.close()


def _settings(peers: Peers) -> dict[str, str]:
    """List the settings of Open MPI, by its own names."""
    return {
        # Plain TCP also within one host, where shared memory would hide what crosses.
        "OMPI_MCA_pml": "ob1",
        "OMPI_MCA_btl": "tcp,self",
        "OMPI_MCA_btl_tcp_if_include": peers.interface,
        # Others take nodes for one where all have the same name, as freshly flashed Pis do, and then hang.
        "OMPI_MCA_coll": "basic,libnbc",
    }
