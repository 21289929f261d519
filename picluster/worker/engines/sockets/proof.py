"""Proof that both ends of a new connection know the run's token, which itself never crosses; keys that follow from it.

    caller    → answerer    version, caller's rank, answerer's rank, 32 random bytes
    answerer  → caller      32 random bytes
    caller    → answerer    HMAC-SHA256 of all this, by the token
    answerer  → caller      another

A stranger can have 32 random bytes, and no more.
"""

from __future__ import annotations

import hmac
import secrets
import socket
import struct
import time
from dataclasses import dataclass, field

_VERSION = b"picluster 1"
_HELLO = struct.Struct(">11sII32s")
_NONCE_BYTES = _PROOF_BYTES = 32


class NotProvenError(Exception):
    """The other end is no worker of this run, or does not say a word."""


@dataclass(frozen=True)
class ProvenConnection:
    """A connection whose other end is the worker that it says it is."""

    socket: socket.socket
    rank: int
    """Number of the worker at the other end."""
    sending_key: bytes = field(repr=False)
    """Seals what is sent; no other connection has it."""
    receiving_key: bytes = field(repr=False)
    """Seals what is received."""


def call(connection: socket.socket, token: bytes, rank: int, to: int, deadline: float) -> ProvenConnection:
    """Prove as worker `rank` to worker `to`, which has been connected to. NotProvenError, OSError."""
    hello = _HELLO.pack(_VERSION, rank, to, secrets.token_bytes(_NONCE_BYTES))
    connection.sendall(hello)
    said = hello + _take(connection, _NONCE_BYTES, deadline)
    connection.sendall(_derive(token, b"caller", said))
    _compare(_take(connection, _PROOF_BYTES, deadline), _derive(token, b"answerer", said))
    return ProvenConnection(connection, to, _derive(token, b"to answerer", said), _derive(token, b"to caller", said))


def answer(connection: socket.socket, token: bytes, rank: int, deadline: float) -> ProvenConnection:
    """Have whoever has connected to worker `rank` prove which worker it is. NotProvenError, OSError."""
    hello = _take(connection, _HELLO.size, deadline)
    version, caller, to, _ = _HELLO.unpack(hello)
    if version != _VERSION or to != rank:
        raise NotProvenError
    nonce = secrets.token_bytes(_NONCE_BYTES)
    connection.sendall(nonce)
    said = hello + nonce
    _compare(_take(connection, _PROOF_BYTES, deadline), _derive(token, b"caller", said))
    connection.sendall(_derive(token, b"answerer", said))
    return ProvenConnection(
        connection, caller, _derive(token, b"to caller", said), _derive(token, b"to answerer", said)
    )


def _derive(token: bytes, purpose: bytes, said: bytes) -> bytes:
    return hmac.digest(token, purpose + b"\0" + said, "sha256")


def _compare(told: bytes, expected: bytes) -> None:
    if not hmac.compare_digest(told, expected):
        raise NotProvenError


def _take(connection: socket.socket, size: int, deadline: float) -> bytes:
    """The next `size` bytes, all of them before the deadline: a stranger may drip."""
    taken = b""
    while len(taken) < size:
        left = deadline - time.monotonic()
        if left <= 0:
            raise NotProvenError
        connection.settimeout(left)
        part = connection.recv(size - len(taken))
        if not part:
            raise NotProvenError
        taken += part
    return taken
