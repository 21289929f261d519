"""Sockets: messages over plain TCP, to workers that have proven that they know the run's token."""

from __future__ import annotations

import socket

from picluster.worker.engines.base import Bytes, Peers, Sending
from picluster.worker.engines.sockets.link import PeerLink
from picluster.worker.engines.sockets.meeting import Meeting

_PROBES = 3
"""Unanswered probes after which an idle connection is broken."""


class SocketsEngine:
    """A link to every other worker; when all are there nothing listens any more."""

    def __init__(self, peers: Peers) -> None:
        self._links = {}
        for connection in Meeting(peers).connect():
            prepare(connection.socket, peers.silence_seconds)
            self._links[connection.rank] = PeerLink(connection, peers.endpoints[connection.rank].node)

    def send(self, to: int, channel: int, message: Bytes) -> Sending:
        """Begin to send `message`; see `Engine.send`."""
        return self._links[to].send(channel, message)

    def receive(self, source: int, channel: int) -> Bytes:
        """The next message of that worker; see `Engine.receive`."""
        return self._links[source].receive(channel)

    def close(self) -> None:
        """Leave, when all that was sent has been written."""
        for link in self._links.values():
            link.leave()
        for link in self._links.values():
            link.close()


def prepare(connection: socket.socket, silence_seconds: float) -> None:
    """Send small messages at once, and break when nothing is acknowledged for so long.

    The sizes of buffers are the kernel's: it adapts them as long as nobody sets them.
    """
    connection.settimeout(None)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, round(silence_seconds / 2))
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, max(1, round(silence_seconds / 2 / _PROBES)))
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, _PROBES)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, round(silence_seconds * 1000))
