"""Failures of connections in a person's words, with what to do."""

from __future__ import annotations

import shlex
import socket
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import paramiko
from paramiko.pkey import UnknownKeyType
from paramiko.ssh_exception import NoValidConnectionsError

from picluster.errors import PiclusterError, RunFailed

if TYPE_CHECKING:
    from pathlib import Path

    from picluster.controller.nodes.ssh.address import SshAddress
    from picluster.controller.nodes.ssh.known_hosts import HostKey

UNREADABLE = (OSError, ValueError, TypeError, paramiko.SSHException, UnknownKeyType)
"""Errors of reading a key file: not a key, of a kind that is not known, locked by a passphrase."""


@dataclass(frozen=True)
class Verdict:
    """The key that a host shows, beside what is recorded of it."""

    address: SshAddress
    key: HostKey
    recorded: tuple[HostKey, ...]
    """Its keys, as they are known here."""
    state: Literal["known", "new", "changed", "revoked"]
    on_the_way: bool = False
    """True where it is not the node itself, but a host on the way."""


class HostKeyShown(paramiko.SSHException):
    """A host has shown its key; whoever connects wanted to know no more, or does not trust it."""

    def __init__(self, verdict: Verdict) -> None:
        super().__init__(str(verdict.key))
        self.verdict = verdict


def in_words(name: str, address: SshAddress, error: Exception, *, on_the_way: bool = False) -> PiclusterError:
    """Failure of a connection to `address`: the named node's own, or that of a host `on_the_way` to it."""
    place = f"{address.host} port {address.port}"
    way = f"on the way to it, {place}: " if on_the_way else ""
    for kind, words in _WORDS:
        if isinstance(error, kind):
            what, fix = words(name, address, error)
            return RunFailed(way + what.format(place=place), fix=fix, fault="unreachable")
    if was_turned_away(error) or str(error) == "No existing session":  # keys were not agreed upon in time
        what = f"{way}{place} takes the connection, but says nothing in time"
        return RunFailed(what, fix="restart it, or its sshd", fault="unreachable")
    told = " ".join(str(error).split()) or type(error).__name__
    fix = f"see what `ssh {address.user}@{address.host}` says"
    return RunFailed(f"{way}SSH to {place} failed: {told}", fix=fix, fault="unreachable")


def was_turned_away(error: Exception) -> bool:
    """True where sshd hung up before it said anything, as it does when too many ask at once."""
    return isinstance(error, EOFError | ConnectionResetError) or "banner" in str(error)


def _untrusted(name: str, _: SshAddress, error: Exception) -> tuple[str, str]:
    assert isinstance(error, HostKeyShown)
    verdict, trust = error.verdict, shlex.join(["picluster", "trust", name])
    if verdict.state == "revoked":
        return f"its host key {verdict.key} is marked as revoked here", "find out who answers in its place"
    if verdict.state == "changed":
        what = f"its host key has changed since it was recorded: it was {verdict.recorded[0]}, it is {verdict.key}"
        return what, f"if it was flashed anew: {trust}; if not, find out who answers in its place"
    return f"its host key {verdict.key} is not known here", trust


def _refused_user(name: str, address: SshAddress, _: Exception) -> tuple[str, str]:
    files = [file for file in address.key_files if file.is_file()]
    locked = next((file for file in files if _has_passphrase(file)), None)
    if locked:
        return f"the key {locked} has a passphrase, and no agent holds it", shlex.join(["ssh-add", str(locked)])
    tried = f"neither {' nor '.join(map(str, files))} fits" if files else "there is no key file"
    port = [] if address.port == 22 else ["-p", str(address.port)]  # noqa: PLR2004  the port of SSH
    fix = f"{shlex.join(['ssh-copy-id', *port, f'{address.user}@{address.host}'])}, or set ansible_user of {name}"
    return f"{{place}} refuses user {address.user}: {tried}, nor does any key of an agent", fix


def _has_passphrase(file: Path) -> bool:
    try:
        paramiko.PKey.from_path(file)
    except (paramiko.PasswordRequiredException, TypeError):  # the latter is cryptography's word for it
        return True
    except UNREADABLE:
        return False
    return False


def _closed(name: str, _: SshAddress, error: Exception) -> tuple[str, str]:
    errors = error.errors.values() if isinstance(error, NoValidConnectionsError) else [error]
    if not any(isinstance(each, ConnectionRefusedError) for each in errors):
        return _unanswered()
    return "nothing answers SSH at {place}", f"start sshd on it, or set ansible_port of {name}"


def _unanswered(*_: object) -> tuple[str, str]:
    return "{place} does not answer", "see whether it is on, and in this network"


_WORDS: tuple[tuple[type[Exception], Callable[[str, SshAddress, Exception], tuple[str, str]]], ...] = (
    (HostKeyShown, _untrusted),
    (paramiko.AuthenticationException, _refused_user),
    (NoValidConnectionsError, _closed),
    (ConnectionRefusedError, _closed),
    (
        socket.gaierror,
        lambda name, address, _: (f"{address.host} is no name that this machine knows", f"set ansible_host of {name}"),
    ),
    (TimeoutError, _unanswered),
    (
        paramiko.ChannelException,
        lambda *_: ("the host before it on the way cannot reach {place}", "see whether it is on, and its sshd runs"),
    ),
)
