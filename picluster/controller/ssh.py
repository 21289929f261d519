"""SSH connections to nodes, by fabric; host keys are always checked, and what goes wrong is said in plain words."""

from __future__ import annotations

import base64
import hashlib
import logging
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import fabric
import paramiko
from paramiko.auth_strategy import AuthSource, AuthStrategy, InMemoryPrivateKey, NoneAuth
from paramiko.pkey import UnknownKeyType
from paramiko.ssh_exception import NoValidConnectionsError

from picluster.controller.ssh_address import SshAddress, resolve
from picluster.errors import PiclusterError, RunFailed

if TYPE_CHECKING:
    from paramiko.pkey import PKey

# It would print tracebacks of what is said in words here.
logging.getLogger("paramiko").addHandler(logging.NullHandler())
logging.getLogger("paramiko").propagate = False

CONNECT_SECONDS = 4.0
"""To open a TCP connection."""
BANNER_SECONDS = 5.0
"""For sshd's first word; a Pi that swaps is slow."""
AUTHENTICATE_SECONDS = 8.0
CHANNEL_SECONDS = 8.0
RETRY_SECONDS = 0.3
"""Between attempts at an sshd that hung up at once: it does so when many ask at the same time (MaxStartups)."""


class _UnknownHostKeyError(paramiko.SSHException):
    def __init__(self, key: PKey) -> None:
        super().__init__(fingerprint(key))


class _Refuse(paramiko.MissingHostKeyPolicy):
    """In place of fabric's own policy, which takes any key."""

    def missing_host_key(self, client: paramiko.SSHClient, hostname: str, key: PKey) -> None:  # noqa: ARG002
        raise _UnknownHostKeyError(key)


def fingerprint(key: PKey) -> str:
    """Of a host key, as ssh-keygen -l shows it."""
    digest = base64.b64encode(hashlib.sha256(key.asbytes()).digest()).decode().rstrip("=")
    return f"SHA256:{digest}"


def connect(name: str, address: SshAddress, *, silence_seconds: float | None = None) -> fabric.Connection:
    """Open a connection to a node.

    Args:
        name: of the node, for the words of an error.
        address: where it is.
        silence_seconds: the connection breaks when the other side's kernel acknowledges nothing for so long.

    Raises:
        RunFailed: it cannot be entered; says why and what to do.
    """
    connection = _connection(address)
    deadline = time.monotonic() + CONNECT_SECONDS
    while True:
        try:
            connection.open()
            break
        except (EOFError, ConnectionResetError, paramiko.SSHException) as error:
            if not _was_turned_away(error) or time.monotonic() > deadline:
                raise in_words(name, address, error) from error
        except OSError as error:
            raise in_words(name, address, error) from error
        time.sleep(RETRY_SECONDS)
    if silence_seconds is not None:
        _break_after(connection, silence_seconds)
    return connection


def in_words(name: str, address: SshAddress, error: Exception) -> PiclusterError:
    """What a failed connection means to a person."""
    place = f"{address.host} port {address.port}"
    for kind, words in _WORDS:
        if isinstance(error, kind):
            what, fix = words(name, address)
            return RunFailed(what.format(place=place, error=error), fix=fix)
    told = str(error).strip() or type(error).__name__
    return RunFailed(f"SSH to {place} failed: {told}", fix=f"see what `ssh {address.user}@{address.host}` says")


class _Keys(AuthStrategy):
    """The keys of the files that need no passphrase, then every key that an agent holds."""

    def __init__(self, address: SshAddress) -> None:
        super().__init__(ssh_config=paramiko.SSHConfig())
        self._address = address

    def get_sources(self) -> Iterator[AuthSource]:
        user = self._address.user
        yield NoneAuth(user)  # so that somebody is asked even where there is no key at all
        for file in self._address.key_files:
            with suppress(*_UNREADABLE):
                yield InMemoryPrivateKey(user, paramiko.PKey.from_path(file))
        with closing(paramiko.Agent()) as agent:
            for key in agent.get_keys():
                yield InMemoryPrivateKey(user, key)


def _connection(address: SshAddress) -> fabric.Connection:
    # An empty configuration: ssh -G has read the person's own already.
    config = fabric.Config(ssh_config=paramiko.SSHConfig(), lazy=True)
    connection = fabric.Connection(
        address.host,
        user=address.user,
        port=address.port,
        config=config,
        gateway=_gateway(address),
        connect_kwargs={
            "timeout": CONNECT_SECONDS,
            "banner_timeout": BANNER_SECONDS,
            "auth_timeout": AUTHENTICATE_SECONDS,
            "channel_timeout": CHANNEL_SECONDS,
            "auth_strategy": _Keys(address),
        },
    )
    connection.client.set_missing_host_key_policy(_Refuse())
    for file in address.known_hosts:
        with suppress(OSError):
            connection.client.load_system_host_keys(str(file))
    return connection


def _gateway(address: SshAddress) -> fabric.Connection | str | None:
    """The way there: through other hosts, each entered as ~/.ssh/config says of it, or through a command."""
    if address.proxy_command:
        return address.proxy_command
    way: fabric.Connection | None = None
    for jump in address.jumps:
        user, _, place = jump.rpartition("@")
        host, _, port = place.removeprefix("ssh://").partition(":")
        words = [*(["-l", user] if user else []), *(["-p", port] if port else []), host]
        hop = _connection(resolve(words))
        hop.gateway = way
        way = hop
    return way


def _was_turned_away(error: Exception) -> bool:
    """Whether sshd hung up before it said anything."""
    return isinstance(error, EOFError | ConnectionResetError) or "banner" in str(error)


def _break_after(connection: fabric.Connection, seconds: float) -> None:
    sock = connection.transport.sock if connection.transport else None
    if isinstance(sock, socket.socket) and hasattr(socket, "TCP_USER_TIMEOUT"):
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(seconds * 1000))


def _refused_user(name: str, address: SshAddress) -> tuple[str, str]:
    locked = next((file for file in address.key_files if _has_passphrase(file)), None)
    if locked:
        return f"the key {locked} has a passphrase, and no agent holds it", f"ssh-add {locked}"
    fix = f"ssh-copy-id -p {address.port} {address.user}@{address.host}, or set ansible_user of {name}"
    return f"{{place}} refuses user {address.user}: none of the keys fits", fix


def _has_passphrase(file: Path) -> bool:
    try:
        paramiko.PKey.from_path(file)
    except (paramiko.PasswordRequiredException, TypeError):  # the latter is cryptography's word for it
        return True
    except _UNREADABLE:
        return False
    return False


_UNREADABLE = (OSError, ValueError, TypeError, paramiko.SSHException, UnknownKeyType)
"""What reading a key file may raise: not a key, of a kind that is not known, locked by a passphrase."""


_WORDS: tuple[tuple[type[Exception], Callable[[str, SshAddress], tuple[str, str]]], ...] = (
    (
        _UnknownHostKeyError,
        lambda name, _: ("its host key {error} is not known here", f"picluster trust {name}"),
    ),
    (
        paramiko.BadHostKeyException,
        lambda name, _: (
            "its host key has changed since it was recorded",
            f"if it was flashed anew: picluster trust {name}; if not, find out who answers in its place",
        ),
    ),
    (paramiko.AuthenticationException, _refused_user),
    (
        NoValidConnectionsError,
        lambda name, _: ("nothing answers SSH at {place}", f"start sshd on it, or set ansible_port of {name}"),
    ),
    (
        ConnectionRefusedError,
        lambda name, _: ("nothing answers SSH at {place}", f"start sshd on it, or set ansible_port of {name}"),
    ),
    (
        socket.gaierror,
        lambda name, address: (f"{address.host} is no name that this machine knows", f"set ansible_host of {name}"),
    ),
    (
        TimeoutError,
        lambda *_: ("{place} does not answer", "see whether it is on, and in this network"),
    ),
)
