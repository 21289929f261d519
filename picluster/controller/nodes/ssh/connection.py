"""SSH connections to nodes, by fabric; host keys are always checked, and what goes wrong is said in plain words."""

from __future__ import annotations

import logging
import re
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import fabric
import paramiko

from picluster.controller.nodes.fan_out import try_all
from picluster.controller.nodes.ssh.address import SshAddress, resolve
from picluster.controller.nodes.ssh.client_keys import ClientKeys
from picluster.controller.nodes.ssh.failures import HostKeyShown, Verdict, in_words, was_turned_away
from picluster.controller.nodes.ssh.known_hosts import HostKey, known_keys, lines_of
from picluster.errors import PiclusterError, RunFailed

if TYPE_CHECKING:
    from paramiko.pkey import PKey

    from picluster.controller.nodes.inventory import RemoteNode

# It would print tracebacks of what is said in words here.
logging.getLogger("paramiko").addHandler(logging.NullHandler())
logging.getLogger("paramiko").propagate = False

CONNECT_SECONDS = 4.0
"""To open a TCP connection."""
BANNER_SECONDS = 5.0
"""For sshd's first word; a Pi that swaps is slow."""
NEGOTIATE_SECONDS = 7.0
"""For keys to be agreed upon, the banner included."""
AUTHENTICATE_SECONDS = 8.0
CHANNEL_SECONDS = 8.0
KEEPALIVE_SECONDS = 15
"""Interval that keeps routers from forgetting a connection over which nothing is said."""
_QUICK_REPEATS = {16: 1, 44: 1000} if sys.platform == "linux" else {}
"""TCP_THIN_LINEAR_TIMEOUTS, and TCP_RTO_MAX_MS (Linux 6.15): TCP repeats what got lost soon, and again soon.

It would wait twice as long each time: after a link that was down for 3 s, heartbeats would reach the node when it has
given its controller up.
"""
RETRY_SECONDS = 0.3
"""Between attempts at an sshd that hung up at once: it does so when many ask at the same time (MaxStartups)."""
LOOK_SECONDS = 20.0
"""For a look at a node behind several others, each of which is entered first."""


def connect(
    name: str, address: SshAddress, *, silence_seconds: float | None = None, only_look: bool = False
) -> fabric.Connection:
    """Open a connection to a node, through the hosts on the way; RunFailed says why it cannot be entered.

    It breaks when the other side's kernel acknowledges nothing for `silence_seconds`. With `only_look` it goes no
    further than the node's host key: that is an error, too, caused by HostKeyShown.
    """
    way: fabric.Connection | None = None
    for place in (*address.way(), address):
        try:
            way = _enter(place, way, only_look=only_look and place is address)
        except (OSError, EOFError, paramiko.SSHException) as error:
            if way is not None:
                way.close()
            raise in_words(name, place, error, on_the_way=place is not address) from error
        _keep_alive(way, silence_seconds)
    assert way is not None
    return way


def look(nodes: Sequence[RemoteNode]) -> dict[str, Verdict | PiclusterError]:
    """The host key of every node, or why it cannot be had.

    Where a host on the way to a node is not trusted yet, the verdict is on that one: look again once it is.
    """
    words = {node.name: node.ssh_words for node in nodes}

    def show(name: str) -> Verdict:
        address = resolve(words[name])
        try:
            connect(name, address, only_look=True)
        except RunFailed as failed:
            if not isinstance(shown := failed.__cause__, HostKeyShown):
                raise
            if shown.verdict.state == "revoked":
                raise in_words(name, shown.verdict.address, shown) from None
            return replace(shown.verdict, on_the_way=shown.verdict.address is not address)
        raise AssertionError("a look ends with a verdict")

    return try_all(words, show, timeout_seconds=LOOK_SECONDS, doing="looking at its host key")


class _Connection(fabric.Connection):  # type: ignore[misc]  # it has no types
    """Closes those that it goes through, too."""

    def close(self) -> None:
        super().close()
        if self.gateway is not None:
            self.gateway.close()


class _Check(paramiko.MissingHostKeyPolicy):
    """Looks at host keys as OpenSSH does. paramiko knows no patterns, aliases, or second keys of a kind."""

    def __init__(self, address: SshAddress, *, only_look: bool = False) -> None:
        self._address, self._only_look = address, only_look
        lines = list(lines_of(address.known_hosts))
        self._recorded, self._revoked = known_keys(lines, address.known_name)
        # OpenSSH takes a key that was recorded without the port, too; another one there means nothing.
        self._without_port = [] if address.alias else known_keys(lines, address.host.lower())[0]
        self.kinds = {key.kind for key in (*self._recorded, *self._without_port)}
        """Kinds of the keys that are recorded."""

    def missing_host_key(self, client: paramiko.SSHClient, hostname: str, key: PKey) -> None:  # noqa: ARG002
        shown, recorded = HostKey(key.get_name(), key.asbytes()), tuple(self._recorded)
        if shown in self._revoked:
            raise HostKeyShown(Verdict(self._address, shown, recorded, "revoked"))
        if shown not in (*recorded, *self._without_port):
            raise HostKeyShown(Verdict(self._address, shown, recorded, "changed" if recorded else "new"))
        if self._only_look:
            raise HostKeyShown(Verdict(self._address, shown, (shown,), "known"))


def _enter(address: SshAddress, way: fabric.Connection | None, *, only_look: bool = False) -> fabric.Connection:
    deadline = time.monotonic() + CONNECT_SECONDS
    while True:
        connection = _connection(address, way, _Check(address, only_look=only_look))
        try:
            connection.open()
        except (OSError, EOFError, paramiko.SSHException) as error:
            connection.client.close()
            if not was_turned_away(error) or time.monotonic() > deadline:
                raise
        else:
            return connection
        time.sleep(RETRY_SECONDS)


def _connection(address: SshAddress, way: fabric.Connection | None, check: _Check) -> fabric.Connection:
    arguments: dict[str, Any] = {
        "timeout": CONNECT_SECONDS,
        "banner_timeout": BANNER_SECONDS,
        "auth_timeout": AUTHENTICATE_SECONDS,
        "channel_timeout": CHANNEL_SECONDS,
        "auth_strategy": ClientKeys(address),
        "transport_factory": partial(_Transport, kinds=check.kinds),
    }
    if address.proxy_command and way is None:
        arguments["sock"] = _start_proxy(address)
    connection = _Connection(
        address.host,
        user=address.user,
        port=address.port,
        # An empty configuration: ssh -G has read the person's own already.
        config=fabric.Config(ssh_config=paramiko.SSHConfig(), lazy=True),
        gateway=way,
        connect_kwargs=arguments,
    )
    connection.client.set_missing_host_key_policy(check)
    return connection


def _start_proxy(address: SshAddress) -> socket.socket:
    """The near end of the ProxyCommand, which ends when it is closed.

    Not paramiko's own: it takes the whole processor once the command has ended, and breaks beyond 1,024 open files.
    """
    near, far = socket.socketpair()
    with far:
        process = subprocess.Popen(
            proxy_words(address), stdin=far.fileno(), stdout=far.fileno(), stderr=subprocess.DEVNULL
        )
    threading.Thread(target=process.wait, name=f"proxy to {address.host}", daemon=True).start()
    return near


def proxy_words(address: SshAddress) -> list[str]:
    """The ProxyCommand with its tokens filled in, for a shell as OpenSSH would have it."""
    tokens = {"%": "%", "h": address.host, "n": address.host, "p": str(address.port), "r": address.user}
    command = re.sub(r"%([%hnpr])", lambda found: tokens[found[1]], address.proxy_command or "")
    return ["/bin/sh", "-c", f"exec {command}"]


class _Transport(paramiko.Transport):
    """Asks for a key of the kinds that are recorded, and has time of its own for the first exchange."""

    def __init__(self, sock: socket.socket, *, kinds: set[str], **options: Any) -> None:
        super().__init__(sock, **options)
        security = self.get_security_options()
        # RSA keys sign under several names.
        security.key_types = sorted(
            security.key_types, key=lambda name: ("ssh-rsa" if name.startswith("rsa-") else name) not in kinds
        )

    def start_client(self, event: threading.Event | None = None, timeout: float | None = None) -> None:  # noqa: ARG002
        super().start_client(event, timeout=NEGOTIATE_SECONDS)


def _keep_alive(connection: fabric.Connection, silence_seconds: float | None) -> None:
    connection.transport.set_keepalive(KEEPALIVE_SECONDS)
    sock = connection.transport.sock
    is_tcp = isinstance(sock, socket.socket) and sock.family in (socket.AF_INET, socket.AF_INET6)
    if silence_seconds is not None and is_tcp and hasattr(socket, "TCP_USER_TIMEOUT"):
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(silence_seconds * 1000))
        for option, value in _QUICK_REPEATS.items():
            with suppress(OSError):  # an older kernel
                sock.setsockopt(socket.IPPROTO_TCP, option, value)
