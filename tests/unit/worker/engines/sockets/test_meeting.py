"""Workers meet over loopback, with strangers among them: those get nothing, and hold up nobody."""

from __future__ import annotations

import secrets
import socket
import threading
import time
from contextlib import suppress
from functools import partial

import numpy as np
import pytest

from picluster.errors import PeerLost
from picluster.worker.engines.base import Peers
from picluster.worker.engines.sockets import meeting
from picluster.worker.engines.sockets.meeting import MOST_UNPROVEN, Meeting
from picluster.worker.engines.sockets.proof import NotProvenError, ProvenConnection, answer, call
from tests.unit.worker.engines.sockets.workers import (
    at_once,
    close_all,
    connect_all,
    door_of,
    is_closed,
    make_peers,
)

NONCE_BYTES = 32
IN_TIME_SECONDS = 20.0


def prove_in_vain(connection: socket.socket) -> None:
    """Speak the protocol to the end, with another token."""
    with suppress(NotProvenError, OSError):
        call(connection, secrets.token_bytes(32), 1, 0, time.monotonic() + IN_TIME_SECONDS)


STRANGERS = {
    "silent": lambda _: None,
    "garbage": lambda connection: connection.sendall(secrets.token_bytes(4096)),
    "wrong token": prove_in_vain,
    "half a hello": lambda connection: connection.sendall(b"picluster 1"),
    "gone": lambda connection: connection.close(),
}


@pytest.mark.parametrize("stranger", STRANGERS)
def test_workers_meet_and_work_though_a_stranger_was_first_at_every_door(stranger: str) -> None:
    peers = make_peers(3)
    doors = [door_of(each) for each in peers[:-1]]
    strangers = [socket.create_connection(door) for door in doors for _ in range(3)]
    telling = [
        threading.Thread(target=STRANGERS[stranger], args=(connection,), daemon=True) for connection in strangers
    ]
    for thread in telling:
        thread.start()
    engines = connect_all(peers)
    sent = np.arange(200, dtype=np.uint8)
    for rank, engine in enumerate(engines):
        sending = engine.send((rank + 1) % 3, 1, sent)
        assert np.array_equal(engines[(rank + 1) % 3].receive(rank, 1), sent)
        sending.wait()
    for thread in telling:
        thread.join(IN_TIME_SECONDS)
    if stranger != "gone":
        assert all(is_closed(connection, IN_TIME_SECONDS) for connection in strangers)
    for connection in strangers:
        connection.close()
    for door in doors:
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(door)
    close_all(engines)


def test_more_silent_strangers_than_may_wait_do_not_keep_a_worker_out() -> None:
    first, second = make_peers(2)
    strangers = [socket.create_connection(door_of(first)) for _ in range(MOST_UNPROVEN + 20)]
    began = time.monotonic()
    engines = connect_all([first, second])
    assert time.monotonic() - began < IN_TIME_SECONDS
    close_all(engines)
    for connection in strangers:
        connection.close()


def test_a_silent_stranger_is_hung_up_on_while_workers_are_still_awaited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(meeting, "STRANGER_SECONDS", 0.3)
    first, second = make_peers(2)
    stranger = socket.create_connection(door_of(first))

    def come_late() -> list[ProvenConnection]:
        assert is_closed(stranger, IN_TIME_SECONDS)
        return Meeting(second).connect()

    found = at_once(Meeting(first).connect, come_late)
    assert [len(each) for each in found] == [1, 1]
    for connection in (*found[0], *found[1]):
        connection.socket.close()
    stranger.close()


def test_whoever_drips_has_no_more_time_than_whoever_is_silent() -> None:
    ours, theirs = socket.socketpair()

    def drip() -> None:
        with suppress(OSError):
            for letter in b"picluster 1 and so on, a letter at a time":
                theirs.sendall(bytes([letter]))
                time.sleep(0.05)

    dripping = threading.Thread(target=drip, daemon=True)
    dripping.start()
    began = time.monotonic()
    with pytest.raises((NotProvenError, TimeoutError)):
        answer(ours, secrets.token_bytes(32), 0, began + 0.3)
    assert time.monotonic() - began < 1.5
    ours.close()
    dripping.join()
    theirs.close()


def test_a_stranger_learns_32_bytes_that_are_new_each_time() -> None:
    told = set()
    for _ in range(3):
        ours, theirs = socket.socketpair()
        with ours, theirs:
            answering = threading.Thread(target=answer_in_vain, args=(ours,))
            answering.start()
            theirs.sendall(b"picluster 1" + (1).to_bytes(4, "big") + bytes(4) + bytes(32))
            heard = theirs.recv(4096)
            theirs.sendall(bytes(32))
            assert is_closed(theirs, IN_TIME_SECONDS)
            answering.join()
        told.add(heard)
    assert {len(each) for each in told} == {NONCE_BYTES}
    assert len(told) == 3


def answer_in_vain(connection: socket.socket) -> None:
    with connection, pytest.raises(NotProvenError):
        answer(connection, secrets.token_bytes(32), 0, time.monotonic() + IN_TIME_SECONDS)


def test_an_impostor_at_a_workers_address_is_not_believed() -> None:
    token = secrets.token_bytes(32)
    ours, theirs = socket.socketpair()

    def pretend() -> None:
        theirs.recv(4096)
        theirs.sendall(secrets.token_bytes(32))
        theirs.recv(4096)
        theirs.sendall(secrets.token_bytes(32))

    def believe() -> None:
        with pytest.raises(NotProvenError):
            call(ours, token, 1, 0, time.monotonic() + IN_TIME_SECONDS)

    with ours, theirs:
        at_once(pretend, believe)


@pytest.mark.parametrize("change", [0, 12, 16, 40, 60, 82])
def test_a_proof_with_one_bit_changed_on_its_way_is_none(change: int) -> None:
    """Wherever the bit is: in the caller's words or in its proof."""
    token, deadline = secrets.token_bytes(32), time.monotonic() + IN_TIME_SECONDS
    caller, middle_a = socket.socketpair()
    middle_b, answerer = socket.socketpair()

    def carry() -> None:
        said = b""
        with suppress(OSError):
            while part := middle_a.recv(4096):
                place = change - len(said)
                said += part
                if 0 <= place < len(part):
                    part = part[:place] + bytes([part[place] ^ 1]) + part[place + 1 :]
                middle_b.sendall(part)
                if not (answered := middle_b.recv(4096)):
                    break
                middle_a.sendall(answered)
        middle_a.close()
        middle_b.close()

    def vainly_call() -> None:
        with suppress(NotProvenError, OSError):
            call(caller, token, 1, 0, deadline)
        caller.close()

    def vainly_answer() -> None:
        with pytest.raises(NotProvenError):
            answer(answerer, token, 0, deadline)
        answerer.close()

    at_once(vainly_call, vainly_answer, carry)


def test_workers_of_two_runs_do_not_meet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(meeting, "_MEETING_SECONDS", 1.0)
    peers = make_peers(2, tokens=[secrets.token_bytes(32), secrets.token_bytes(32)])

    def meet(each: Peers) -> str:
        with pytest.raises(PeerLost) as caught:
            Meeting(each).connect()
        return caught.value.what

    told = at_once(*(partial(meet, each) for each in peers))
    assert "no connection with pi1" in told[0]
    assert "no connection with pi0" in told[1]


def test_whoever_comes_from_an_address_of_no_worker_is_not_even_asked() -> None:
    first, second = make_peers(2)
    stranger = socket.create_connection(door_of(first), source_address=("127.0.0.9", 0))
    stranger.sendall(b"picluster 1" + (1).to_bytes(4, "big") + bytes(36))
    engines = connect_all([first, second])
    stranger.settimeout(IN_TIME_SECONDS)
    with suppress(ConnectionError):
        assert stranger.recv(4096) == b""
    stranger.close()
    close_all(engines)
