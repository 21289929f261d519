"""SSH connections to nodes, by fabric; host keys are always checked, and what goes wrong is said in plain words."""

from __future__ import annotations

import logging
import re
import socket
import subprocess
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack, closing
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import fabric
import paramiko

from picluster.controller.nodes.ssh.client_keys import ClientKeys
from picluster.controller.nodes.ssh.failures import HostKeyShown, Verdict, in_words, was_turned_away
from picluster.controller.nodes.ssh.known_hosts import HostKey, known_keys, lines_of

if TYPE_CHECKING:
    from paramiko.pkey import PKey

    from picluster.controller.nodes.ssh.address import SshAddress

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
RETRY_SECONDS = 0.3
"""Between attempts at an sshd that hung up at once: it does so when many ask at the same time (MaxStartups)."""


def connect(name: str, address: SshAddress, *, silence_seconds: float | None = None) -> fabric.Connection:
    """Open a connection to a node, through the hosts on the way.

    Args:
        name: name of the node, for the words of an error.
        address: address of the node.
        silence_seconds: the connection breaks when the other side's kernel acknowledges nothing for so long.

    Raises:
        RunFailed: it cannot be entered; says why and what to do.
    """
    way: fabric.Connection | None = None
    for place in (*address.way(), address):
        try:
            way = _enter(place, way)
        except (OSError, EOFError, paramiko.SSHException) as error:
            if way is not None:
                way.close()
            raise in_words(name, place, error, on_the_way=place is not address) from error
        _keep_alive(way, silence_seconds)
    assert way is not None
    return way


def host_key(name: str, address: SshAddress) -> Verdict:
    """The key that a node shows; or that of a host on the way to it, where that one's is not trusted yet.

    Raises:
        RunFailed: it shows none, or a host on the way cannot be entered.
    """
    way: fabric.Connection | None = None
    with ExitStack() as stack:
        for place in (*address.way(), address):
            try:
                way = stack.enter_context(closing(_enter(place, way, only_look=place is address)))
            except HostKeyShown as shown:
                return replace(shown.verdict, on_the_way=place is not address)
            except (OSError, EOFError, paramiko.SSHException) as error:
                raise in_words(name, place, error, on_the_way=place is not address) from error
    raise AssertionError("a look ends with a verdict")


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

    @property
    def kinds(self) -> set[str]:
        """Kinds of the keys that are recorded."""
        return {key.kind for key in (*self._recorded, *self._without_port)}

    def missing_host_key(self, client: paramiko.SSHClient, hostname: str, key: PKey) -> None:  # noqa: ARG002
        verdict = self._verdict(HostKey(key.get_name(), key.asbytes()))
        if self._only_look or verdict.state != "known":
            raise HostKeyShown(verdict)

    def _verdict(self, key: HostKey) -> Verdict:
        if key in self._revoked:
            return Verdict(self._address, key, tuple(self._recorded), "revoked")
        if key in (*self._recorded, *self._without_port):
            return Verdict(self._address, key, (key,), "known")
        return Verdict(self._address, key, tuple(self._recorded), "changed" if self._recorded else "new")


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
        "transport_factory": _transports_preferring(check.kinds),
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
    """Has time of its own for the first exchange, rather than that of the TCP connection."""

    def start_client(self, event: threading.Event | None = None, timeout: float | None = None) -> None:  # noqa: ARG002
        super().start_client(event, timeout=NEGOTIATE_SECONDS)


def _transports_preferring(kinds: set[str]) -> Callable[..., paramiko.Transport]:
    """The host shall show a key of one of these kinds, where it has one."""

    def make(sock: socket.socket, **options: Any) -> paramiko.Transport:
        transport = _Transport(sock, **options)
        security = transport.get_security_options()
        # RSA keys sign under several names.
        security.key_types = sorted(
            security.key_types, key=lambda name: ("ssh-rsa" if name.startswith("rsa-") else name) not in kinds
        )
        return transport

    return make


def _keep_alive(connection: fabric.Connection, silence_seconds: float | None) -> None:
    connection.transport.set_keepalive(KEEPALIVE_SECONDS)
    sock = connection.transport.sock
    is_tcp = isinstance(sock, socket.socket) and sock.family in (socket.AF_INET, socket.AF_INET6)
    if silence_seconds is not None and is_tcp and hasattr(socket, "TCP_USER_TIMEOUT"):
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(silence_seconds * 1000))
