"""Frames that a connection carries: a head and perhaps bytes, both sealed, so that no changed byte is used."""

from __future__ import annotations

import hmac
import socket
import struct
from collections.abc import Iterator
from enum import IntEnum
from typing import NamedTuple

from picluster.errors import RunFailed
from picluster.worker.engines.base import Bytes, empty_bytes
from picluster.worker.engines.sockets.proof import ProvenConnection

CHUNK_BYTES = 256 << 10
"""Part of a message that is sealed while the one before it travels."""
_SEAL_BYTES = 16
"""Bytes that are sent of a code."""
_HEAD = struct.Struct("<IIQ")


class FrameKind(IntEnum):
    """FrameKind of a frame."""

    MESSAGE = 1
    ASK = 2
    """The other side takes the next message of the channel, or waits for it."""
    BYE = 3
    """Nothing follows."""


class Frame(NamedTuple):
    """One frame as it has arrived."""

    kind: FrameKind
    channel: int
    content: Bytes


class Seals:
    """Codes for what one direction carries, each for its place: what is changed, left out or repeated has another."""

    def __init__(self, key: bytes) -> None:
        self._key = key
        self._count = 0

    def begin(self, part: bytes | memoryview = b"") -> hmac.HMAC:
        """Begin the next code, with the first part that it covers."""
        self._count += 1
        seal = hmac.new(self._key, self._count.to_bytes(8, "little"), "sha256")
        seal.update(part)
        return seal


class FrameWriter:
    """Writes frames; for one thread at a time."""

    def __init__(self, connection: ProvenConnection) -> None:
        self._socket, self._seals = connection.socket, Seals(connection.sending_key)

    def write(self, kind: FrameKind, channel: int, content: memoryview) -> None:
        """Return when the kernel has all of a frame; raises OSError."""
        head = _HEAD.pack(kind, channel, len(content))
        parts: list[bytes | memoryview] = [head, self._seals.begin(head).digest()[:_SEAL_BYTES]]
        if content:
            seal = self._seals.begin()
            for chunk in _chunks(content):
                seal.update(chunk)
                self._send([*parts, chunk])
                parts = []
            parts = [seal.digest()[:_SEAL_BYTES]]
        self._send(parts)

    def _send(self, parts: list[bytes | memoryview]) -> None:
        sent = self._socket.sendmsg(parts)
        if sent < sum(len(part) for part in parts):
            self._socket.sendall(memoryview(b"".join(parts))[sent:])


class FrameReader:
    """Reads frames; for one thread."""

    def __init__(self, connection: ProvenConnection, name: str) -> None:
        """`name` is the node's at the other end."""
        self._socket, self._seals, self._name = connection.socket, Seals(connection.receiving_key), name
        self._head = memoryview(bytearray(_HEAD.size + _SEAL_BYTES))

    def read(self) -> Frame:
        """The next frame. Raises OSError, EOFError at the end, RunFailed where something was changed."""
        self._fill(self._head)
        head, code = self._head[: _HEAD.size], self._head[_HEAD.size :]
        self._check(self._seals.begin(head), code)
        kind, channel, size = _HEAD.unpack(head)
        content = empty_bytes(size)
        if size:
            seal = self._seals.begin()
            for chunk in _chunks(content.data):
                self._fill(chunk)
                seal.update(chunk)
            self._fill(code)
            self._check(seal, code)
        return Frame(FrameKind(kind), channel, content)

    def _fill(self, buffer: memoryview) -> None:
        place = 0
        while place < len(buffer):
            count = self._socket.recv_into(buffer[place:], 0, socket.MSG_WAITALL)
            if not count:
                raise EOFError
            place += count

    def _check(self, seal: hmac.HMAC, code: memoryview) -> None:
        if not hmac.compare_digest(seal.digest()[:_SEAL_BYTES], code):
            what = f"what came from {self._name} was changed on its way"
            raise RunFailed(what, fix="examine the network: its cables and switch, and who else is on it")


def _chunks(content: memoryview) -> Iterator[memoryview]:
    for place in range(0, len(content), CHUNK_BYTES):
        yield content[place : place + CHUNK_BYTES]
