"""With which keys a node is entered: those of files, and those that an agent holds, in OpenSSH's order."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import closing, suppress
from typing import TYPE_CHECKING

import paramiko
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_ssh_private_key
from paramiko.auth_strategy import AuthSource, AuthStrategy, InMemoryPrivateKey, NoneAuth
from paramiko.pkey import PublicBlob

from picluster.controller.nodes.ssh.failures import UNREADABLE

if TYPE_CHECKING:
    from pathlib import Path

    from picluster.controller.nodes.ssh.address import SshAddress


class ClientKeys(AuthStrategy):
    """The keys of the files that need no passphrase, then every key that an agent holds."""

    def __init__(self, address: SshAddress) -> None:
        super().__init__(ssh_config=paramiko.SSHConfig())
        self._address = address

    def get_sources(self) -> Iterator[AuthSource]:
        """Each is tried in turn."""
        user, files = self._address.user, self._address.key_files
        yield NoneAuth(user)  # so that somebody is asked even where there is no key at all
        for file in files:
            with suppress(*UNREADABLE):
                yield InMemoryPrivateKey(user, private_key(file))
        own = _public_halves(self._address)
        with closing(paramiko.Agent()) as agent:
            # Those first that were asked for: sshd hangs up after a few.
            for key in sorted(agent.get_keys(), key=lambda key: key.asbytes() not in own):
                if key.asbytes() in own or not self._address.own_keys_only:
                    yield InMemoryPrivateKey(user, key)


def private_key(file: Path) -> paramiko.PKey:
    """The key in a file; one of `UNREADABLE`, such as paramiko.PasswordRequiredException, where it cannot be had."""
    try:
        return paramiko.PKey.from_path(file)
    except paramiko.PasswordRequiredException:
        raise
    except paramiko.SSHException:
        # It takes the end of an empty comment, or of one in other letters than English, for broken padding.
        key = load_ssh_private_key(file.read_bytes(), password=None)
        kind, form = next((kind, form) for of, kind, form in _FORMS if isinstance(key, of))
        return kind.from_private_key(io.StringIO(key.private_bytes(Encoding.PEM, form, NoEncryption()).decode()))


_FORMS = (
    (RSAPrivateKey, paramiko.RSAKey, PrivateFormat.TraditionalOpenSSL),
    (EllipticCurvePrivateKey, paramiko.ECDSAKey, PrivateFormat.TraditionalOpenSSL),
    (Ed25519PrivateKey, paramiko.Ed25519Key, PrivateFormat.OpenSSH),
)
"""Kinds of keys, and the forms of them that paramiko reads."""


def _public_halves(address: SshAddress) -> set[bytes]:
    """Public keys beside the key files: an agent may hold the private ones."""
    halves = set()
    for file in address.key_files:
        for place in (file, file.with_name(f"{file.name}.pub")):
            with suppress(OSError, ValueError, IndexError):
                halves.add(PublicBlob.from_file(str(place)).key_blob)
    return halves
