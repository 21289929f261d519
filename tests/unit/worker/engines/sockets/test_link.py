"""Links between workers over loopback: order, bounds, ends, and bytes that somebody changes on their way."""

from __future__ import annotations

import secrets
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import suppress

import numpy as np
import pytest

from picluster.errors import PeerLost, RunFailed
from picluster.worker.engines.base import Bytes
from picluster.worker.engines.sockets.engine import SocketsEngine
from picluster.worker.engines.sockets.frames import CHUNK_BYTES
from picluster.worker.engines.sockets.link import AHEAD_BYTES, DIRECT_BYTES, Outgoing, PeerLink
from picluster.worker.engines.sockets.proof import ProvenConnection
from tests.unit.worker.engines.sockets.workers import at_once, close_all, connect_all, make_peers

SIZES = [3, 0, DIRECT_BYTES, DIRECT_BYTES + 1, CHUNK_BYTES, CHUNK_BYTES + 1, 3_000_000, 1]
IN_TIME_SECONDS = 20.0


def message_of(number: int, size: int) -> Bytes:
    return np.full(size, number, np.uint8)


@pytest.fixture
def pair() -> Iterator[list[SocketsEngine]]:
    engines = connect_all(make_peers(2))
    yield engines
    close_all(engines)


def test_messages_of_any_size_arrive_in_order_on_each_of_two_channels_both_ways(pair: list[SocketsEngine]) -> None:
    def exchange(rank: int) -> list[tuple[int, ...]]:
        own, other = pair[rank], 1 - rank
        sendings = [
            own.send(other, channel, message_of(number, size))
            for number, size in enumerate(SIZES)
            for channel in (1, 2)
        ]
        found = [own.receive(other, channel) for channel in (2, 1) for _ in SIZES]
        for sending in sendings:
            sending.wait()
        return [(len(each), *set(each.tolist())) for each in found]

    expected = [(size, number) if size else (0,) for number, size in enumerate(SIZES)] * 2
    assert at_once(lambda: exchange(0), lambda: exchange(1)) == [expected, expected]


def test_received_messages_are_aligned_as_torchs_own_and_may_be_written(pair: list[SocketsEngine]) -> None:
    pair[0].send(1, 1, message_of(1, 1000))
    received = pair[1].receive(0, 1)
    assert received.ctypes.data % 64 == 0
    received += 1
    assert set(received.tolist()) == {2}


def is_taken(sending: Outgoing) -> bool:
    return sending.is_asked and sending.is_sent


def test_a_sending_is_done_when_the_other_side_takes_the_message(pair: list[SocketsEngine]) -> None:
    first, second = (pair[0]._links[1].send(1, message_of(number, 10)) for number in range(2))
    pair[1].receive(0, 1)
    first.wait()
    assert not is_taken(second)
    pair[1].receive(0, 1)
    second.wait()


def test_what_is_not_asked_for_waits_with_its_sender_beyond_some_bytes(pair: list[SocketsEngine]) -> None:
    link = pair[0]._links[1]
    few = [link.send(1, message_of(0, AHEAD_BYTES // 4)) for _ in range(6)]
    large = link.send(2, message_of(0, AHEAD_BYTES + 1))
    deadline = time.monotonic() + IN_TIME_SECONDS
    while sum(each.is_sent for each in few) < 4 and time.monotonic() < deadline:
        time.sleep(0.01)
    assert [each.is_sent for each in (*few, large)] == [True] * 4 + [False] * 3
    assert len(pair[1].receive(0, 2)) == AHEAD_BYTES + 1
    large.wait()
    assert [len(pair[1].receive(0, 1)) for _ in few] == [AHEAD_BYTES // 4] * 6
    for each in few:
        each.wait()


def test_a_worker_that_is_gone_is_named_when_something_is_wanted_of_it_and_what_came_before_is_kept() -> None:
    engines = connect_all(make_peers(2))
    engines[0].send(1, 1, message_of(7, 10))
    assert engines[1].receive(0, 1).tolist() == [7] * 10
    engines[0].send(1, 2, message_of(8, 10))
    engines[0]._links[1]._socket.shutdown(socket.SHUT_RDWR)
    with pytest.raises(PeerLost, match="pi0"):
        engines[1].receive(0, 1)
    assert engines[1].receive(0, 2).tolist() == [8] * 10
    with pytest.raises(PeerLost, match="pi1"):
        engines[0].receive(1, 1)
    with pytest.raises(PeerLost, match="pi0"):
        engines[1].send(0, 1, message_of(0, 1))
    close_all(engines)


def test_who_waits_for_a_worker_that_leaves_is_told() -> None:
    engines = connect_all(make_peers(2))

    def wait() -> str:
        with pytest.raises(PeerLost) as caught:
            engines[1].receive(0, 1)
        engines[1].close()
        return caught.value.what

    def leave() -> str:
        engines[0].close()
        return ""

    told = at_once(wait, leave)
    assert told[0] == "pi0 has left before it was done"


def test_nothing_is_lost_when_one_leaves_at_once_after_it_has_sent() -> None:
    engines = connect_all(make_peers(2))
    sent = np.arange(AHEAD_BYTES, dtype=np.uint8)

    def take() -> Bytes:
        time.sleep(0.2)
        received = engines[1].receive(0, 1)
        engines[1].close()
        return received

    def give() -> Bytes:
        engines[0].send(1, 1, sent)
        engines[0].close()
        return sent

    received, _ = at_once(take, give)
    assert np.array_equal(received, sent)


class Meddler:
    """Stands in the path between two workers and changes what one sends."""

    def __init__(self, place: int) -> None:
        keys = secrets.token_bytes(32), secrets.token_bytes(32)
        ours, middle_a = socket.socketpair()
        middle_b, theirs = socket.socketpair()
        self.sender = PeerLink(ProvenConnection(ours, 1, keys[0], keys[1]), "pi1")
        self.receiver = PeerLink(ProvenConnection(theirs, 0, keys[1], keys[0]), "pi0")
        self.ends = middle_a, middle_b
        self.place = place
        self.threads = [threading.Thread(target=work, daemon=True) for work in (self.forward, self.backward)]
        for thread in self.threads:
            thread.start()

    def forward(self) -> None:
        said = 0
        with suppress(OSError):
            while part := self.ends[0].recv(65536):
                at = self.place - said
                said += len(part)
                self.ends[1].sendall(
                    part[:at] + bytes([part[at] ^ 4]) + part[at + 1 :] if 0 <= at < len(part) else part
                )
            self.ends[1].shutdown(socket.SHUT_WR)

    def backward(self) -> None:
        with suppress(OSError):
            while part := self.ends[1].recv(65536):
                self.ends[0].sendall(part)
            self.ends[0].shutdown(socket.SHUT_WR)

    def close(self) -> None:
        at_once(self.sender.leave, self.receiver.leave)
        at_once(self.sender.close, self.receiver.close)
        for thread in self.threads:
            thread.join(IN_TIME_SECONDS)
        for end in self.ends:
            end.close()


@pytest.mark.parametrize("place", [0, 4, 8, 15, 16, 31, 32, 1000, 32 + CHUNK_BYTES + 5, 32 + 300_000, 32 + 300_015])
def test_one_changed_bit_ends_the_link_before_a_changed_message_is_used(place: int) -> None:
    """In the head (0 to 15), in its code, in the message, in the message's code."""
    meddler = Meddler(place)
    meddler.sender.send(1, message_of(1, 300_000))
    with pytest.raises(RunFailed, match="changed on its way") as caught:
        meddler.receiver.receive(1)
    assert not isinstance(caught.value, PeerLost), "it is a cause, and no echo of another"
    assert "pi0" in caught.value.what
    meddler.close()


def test_a_frame_that_is_repeated_is_not_taken_for_the_next() -> None:
    keys = secrets.token_bytes(32), secrets.token_bytes(32)
    ours, theirs = socket.socketpair()
    first, recorded = socket.socketpair()
    sender = PeerLink(ProvenConnection(first, 1, keys[0], keys[1]), "pi1")
    receiver = PeerLink(ProvenConnection(theirs, 0, keys[1], keys[0]), "pi0")
    sender.send(1, message_of(1, 10)).link.leave()
    frame = recorded.recv(32 + 10 + 16, socket.MSG_WAITALL)
    ours.sendall(frame)
    assert receiver.receive(1).tolist() == [1] * 10
    ours.sendall(frame)
    with pytest.raises(RunFailed, match="changed on its way"):
        receiver.receive(1)
    for each in (ours, theirs, first, recorded):
        each.close()
