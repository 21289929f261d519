"""The link to one other worker: messages by channel, sent when they are asked for, or a few bytes ahead."""

from __future__ import annotations

import socket
import threading
from collections import defaultdict, deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from picluster.errors import PeerLost
from picluster.worker.engines.base import PEER_TIMEOUT, Bytes
from picluster.worker.engines.sockets.frames import FrameKind, FrameReader, FrameWriter
from picluster.worker.engines.sockets.proof import ProvenConnection

AHEAD_BYTES = 4 << 20
"""Bytes that may lie with a receiver which has not asked for them: they hide the way to it, and bound its memory."""
DIRECT_BYTES = 16 << 10
"""A message up to this size is written by the thread that sends it, which saves waking another."""
LEAVE_SECONDS = 10.0
_PEER_SECONDS = PEER_TIMEOUT.total_seconds()
_NOTHING = memoryview(b"")


@dataclass(eq=False)
class Outgoing:
    """Something to be written: a message, or a word about messages."""

    link: PeerLink
    kind: FrameKind
    channel: int = 0
    content: memoryview = _NOTHING
    is_asked: bool = False
    is_sent: bool = False

    def wait(self) -> None:
        """Return when the other side has taken the message; raises PeerLost."""
        self.link.wait_for(lambda: self.is_asked and self.is_sent)


class PeerLink:
    """One of its threads reads, and never writes: so two workers cannot wait for each other with full buffers."""

    def __init__(self, connection: ProvenConnection, name: str) -> None:
        self._socket, self._name = connection.socket, name
        self._frames_in, self._frames_out = FrameReader(connection, name), FrameWriter(connection)
        lock = threading.Lock()
        self._changed, self._posted = threading.Condition(lock), threading.Condition(lock)
        self._lost: Exception | None = None
        self._outbox: deque[Outgoing] = deque()
        self._is_writing = False
        self._asked: dict[int, int] = defaultdict(int)
        """By channel, messages that were asked for before they were there."""
        self._held: dict[int, deque[Outgoing]] = defaultdict(deque)
        """By channel, messages that wait to be asked for."""
        self._ahead: dict[int, deque[Outgoing]] = defaultdict(deque)
        """By channel, messages that were posted before they were asked for."""
        self._ahead_bytes = 0
        self._inbox: dict[int, deque[Bytes]] = defaultdict(deque)
        self._reader = threading.Thread(target=self._read_all, name=f"read {name}", daemon=True)
        self._reader.start()
        threading.Thread(target=self._write_all, name=f"write {name}", daemon=True).start()

    def send(self, channel: int, message: Bytes) -> Outgoing:
        """Begin to send `message`; see `Engine.send`."""
        parcel = Outgoing(self, FrameKind.MESSAGE, channel, message.data)
        with self._changed:
            if self._lost:
                raise self._lost
            self._held[channel].append(parcel)
            self._release(channel)
            own = self._take_turn() if len(parcel.content) <= DIRECT_BYTES else None
        if own:
            self._write(own)
        return parcel

    def receive(self, channel: int) -> Bytes:
        """The next message of the channel; see `Engine.receive`."""
        with self._changed:
            self._post(Outgoing(self, FrameKind.ASK, channel))
            own, inbox = self._take_turn(), self._inbox[channel]
        if own:
            self._write(own)
        self.wait_for(lambda: inbox)
        return inbox.popleft()

    def wait_for(self, predicate: Callable[[], object]) -> None:
        """Return when `predicate` holds; raises PeerLost, or what else has ended the link."""
        with self._changed:
            in_time = self._changed.wait_for(lambda: predicate() or self._lost, _PEER_SECONDS)
            if predicate():
                return
        if not in_time:
            raise PeerLost(f"waited {_PEER_SECONDS:g} s for {self._name}")
        assert self._lost is not None
        raise self._lost

    def leave(self) -> None:
        """Say that nothing follows."""
        bye = Outgoing(self, FrameKind.BYE)
        with self._changed:
            self._post(bye)
            self._changed.wait_for(lambda: bye.is_sent, LEAVE_SECONDS)

    def close(self) -> None:
        """Close the connection when the other side has left, too: what it has not read yet would be lost."""
        self._reader.join(LEAVE_SECONDS)
        self._socket.close()

    def _post(self, parcel: Outgoing) -> None:
        self._outbox.append(parcel)
        self._posted.notify()

    def _release(self, channel: int) -> None:
        """Post the messages of a channel that may go."""
        held = self._held[channel]
        while held:
            if self._asked[channel]:
                self._asked[channel] -= 1
                held[0].is_asked = True
            elif self._ahead_bytes + len(held[0].content) <= AHEAD_BYTES:
                self._ahead[channel].append(held[0])
                self._ahead_bytes += len(held[0].content)
            else:
                return
            self._post(held.popleft())

    def _ask(self, channel: int) -> None:
        """Take note that the other side wants the next message of a channel."""
        if ahead := self._ahead[channel]:
            parcel = ahead.popleft()
            parcel.is_asked = True
            self._ahead_bytes -= len(parcel.content)
        else:
            self._asked[channel] += 1
        for each in list(self._held):
            self._release(each)

    def _take_turn(self) -> Outgoing | None:
        """The only parcel of the outbox, for the caller to write; None where others are before it."""
        if self._is_writing or len(self._outbox) != 1:
            return None
        self._is_writing = True
        return self._outbox.popleft()

    def _write_all(self) -> None:
        kind = FrameKind.ASK
        while kind is not FrameKind.BYE:
            with self._posted:
                self._posted.wait_for(lambda: self._outbox and not self._is_writing)
                self._is_writing, parcel = True, self._outbox.popleft()
            self._write(parcel)
            kind = parcel.kind
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_WR)

    def _write(self, parcel: Outgoing) -> None:
        """Write a parcel; the link is lost where that fails, and who waits for anything is told so."""
        try:
            self._frames_out.write(parcel.kind, parcel.channel, parcel.content)
        except OSError as error:
            self._lose(PeerLost(f"lost {self._name}: {error.strerror or error}"))
        with self._changed:
            self._is_writing, parcel.is_sent = False, True
            self._changed.notify_all()
            if self._outbox:
                self._posted.notify()

    def _read_all(self) -> None:
        try:
            while (frame := self._frames_in.read()).kind is not FrameKind.BYE:
                with self._changed:
                    if frame.kind is FrameKind.ASK:
                        self._ask(frame.channel)
                    else:
                        self._inbox[frame.channel].append(frame.content)
                    self._changed.notify_all()
            self._lose(PeerLost(f"{self._name} has left before it was done"))
        except EOFError:
            self._lose(PeerLost(f"lost {self._name}: it closed the connection"))
        except OSError as error:
            self._lose(PeerLost(f"lost {self._name}: {error.strerror or error}"))
        except Exception as error:  # noqa: BLE001  whoever waits must hear of it, whatever it is
            self._lose(error)

    def _lose(self, error: Exception) -> None:
        with self._changed:
            self._lost = self._lost or error
            self._changed.notify_all()
