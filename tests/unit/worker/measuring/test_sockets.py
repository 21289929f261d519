"""Bytes that a process, and those below it, exchange with others over real sockets."""

import json
import os
import socket
import subprocess
import sys
import time
from contextlib import ExitStack
from itertools import pairwise
from pathlib import Path

import pytest

from picluster.worker.measuring import sockets
from picluster.worker.measuring.kernel_sockets import SocketDiagnosis, SocketTraffic
from picluster.worker.measuring.metrics import StepMeter
from picluster.worker.measuring.sockets import SocketCounter
from picluster.worker.wire.links import Clock
from tests.unit.worker.measuring.peer import peers

if SocketCounter().read() is None:
    pytest.skip("this platform does not tell what its sockets carried", allow_module_level=True)

OWN, CHILDS, INTERNAL, ANSWER = 300_000, 500_000, 700_000, 50_000
TIMEOUT_SECONDS = 30
CHILD = f"""
import socket, sys
outside, inside = (socket.create_connection(("127.0.0.1", int(port))) for port in sys.argv[1:])
sys.stdin.readline()
outside.sendall(bytes({CHILDS}))
inside.sendall(bytes({INTERNAL}))
outside.recv({ANSWER}, socket.MSG_WAITALL)
print(flush=True)
sys.stdin.readline()
"""
TREE = f"""
import json, socket, subprocess, sys
from picluster.worker.measuring.sockets import SocketCounter

port, searches_again = sys.argv[1], sys.argv[2] == "True"
counter = SocketCounter()
told = [counter.read()]

def read(search):
    counter._search_time = 0.0 if search else float("inf")
    told.append(counter.read())

with socket.create_connection(("127.0.0.1", int(port))) as outside, socket.create_server(("127.0.0.1", 0)) as server:
    words = [sys.executable, "-c", {CHILD!r}, port, str(server.getsockname()[1])]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child, server.accept()[0] as inside:
        outside.recv(1)
        if not searches_again:
            read(search=True)
        child.stdin.write(b"\\n")
        child.stdin.flush()
        outside.sendall(bytes({OWN}))
        inside.recv({INTERNAL}, socket.MSG_WAITALL)
        outside.recv({ANSWER}, socket.MSG_WAITALL)
        child.stdout.readline()
        read(search=searches_again)
        child.communicate(b"\\n")
        read(search=False)
        read(search=True)
print(json.dumps([each[:2] for each in told]))
"""


def told_by_tree(*, searches_again: bool) -> list[list[int]]:
    """Its readings: at first, [with the connections], when all has been said, after the child's end (two)."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        words = [sys.executable, "-c", TREE, str(server.getsockname()[1]), str(searches_again)]
        with subprocess.Popen(words, stdout=subprocess.PIPE) as head:
            ends = [server.accept()[0] for _ in range(2)]
            ends[0].sendall(b"!")  # of the tree's head, which came first: both have been taken
            left = OWN + CHILDS
            for end, size in zip(ends, (OWN, CHILDS), strict=True):
                left -= len(end.recv(size, socket.MSG_WAITALL))
            for end in ends:
                end.sendall(bytes(ANSWER))
            output, _ = head.communicate(timeout=TIMEOUT_SECONDS)
            for end in ends:
                end.close()
    assert left == 0
    found: list[list[int]] = json.loads(output)
    return found


@pytest.mark.parametrize("searches_again", [True, False], ids=["noticed late", "noticed before"])
def test_what_a_child_sends_to_others_counts_and_what_it_sends_to_its_parent_does_not(searches_again: bool) -> None:
    before, *_, after, without_child, in_the_end = told_by_tree(searches_again=searches_again)
    assert before == [0, 0]
    assert after == [OWN + CHILDS, 2 * ANSWER + 1]
    assert without_child == in_the_end == after, "what a closed connection carried stays counted"


def total(counter: SocketCounter, *, search: bool) -> SocketTraffic:
    counter._search_time = 0.0 if search else float("inf")
    found = counter.read()
    assert found is not None
    return found


@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
@pytest.mark.parametrize("sizes", [(3_000_001, 500_000), (16, 2_000_000)])
def test_both_directions_of_a_connection_are_counted(address: str, sizes: tuple[int, int]) -> None:
    with ExitStack() as stack:
        try:
            (peer,) = stack.enter_context(peers(address=address))
        except OSError:
            pytest.skip(f"no {address} here")
        counter = SocketCounter()
        before = total(counter, search=True)
        peer.exchange(*sizes)
        after = total(counter, search=False)
    assert (after.sent - before.sent, after.received - before.received) == sizes


def test_the_time_on_the_way_is_told_by_address_also_of_closed_connections() -> None:
    counter = SocketCounter()
    total(counter, search=True)
    with peers() as (peer,):
        for _ in range(2000):  # the kernel counts ticks of its clock, which most of them fall between
            peer.exchange(100, 1)
        total(counter, search=True)
        ((address, microseconds),) = counter.sending_us().items()
    total(counter, search=True)
    assert address == bytes([127, 0, 0, 1])
    assert 0 < microseconds <= counter.sending_us()[address] < 30_000_000


def test_a_connection_is_counted_from_its_first_byte_however_late_it_is_noticed() -> None:
    counter = SocketCounter()
    before = total(counter, search=True)
    with peers() as (peer,):
        peer.exchange(200_000, 300)
        assert total(counter, search=False) == before, "it was not looked for"
        after = total(counter, search=True)
        assert total(counter, search=False) == total(counter, search=True) == after, "reading twice counts once"
    assert (after.sent - before.sent, after.received - before.received) == (200_000, 300)


def test_what_a_closed_connection_carried_stays_counted_and_a_new_one_is_added() -> None:
    counter = SocketCounter()
    totals = [total(counter, search=True)]
    for _ in range(2):
        with peers() as (peer,):
            peer.exchange(200_000, 300)
            totals.append(total(counter, search=True))
        seen = [total(counter, search=search) for search in (False, True)]
        assert {each.sent for each in seen} == {totals[-1].sent}
        ends = {each.received - totals[-1].received for each in seen}
        assert ends <= {0, 1}, "the kernel counts the end of a stream as a byte, once it is there"
    assert [after.sent - before.sent for before, after in pairwise(totals)] == [200_000, 200_000]


def test_a_reading_that_is_below_what_must_have_been_sent_searches() -> None:
    counter = SocketCounter()
    before = total(counter, search=True)
    counter._search_time = float("inf")
    with peers() as (peer,):
        peer.exchange(200_000)
        after = counter.read(at_least=before.sent + 200_000)
    assert after is not None
    assert after.sent - before.sent == 200_000


def test_other_descriptors_are_not_counted_and_none_is_copied() -> None:
    counter = SocketCounter()
    with ExitStack() as stack:
        pair = [stack.enter_context(each) for each in socket.socketpair()]
        stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        datagrams = [stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) for _ in range(2)]
        datagrams[1].bind(("127.0.0.1", 0))
        before, descriptors = total(counter, search=True), len(list(Path("/proc/self/fd").iterdir()))
        pair[0].sendall(bytes(1000))
        datagrams[0].sendto(bytes(1000), datagrams[1].getsockname())
        assert total(counter, search=True) == before
        assert len(list(Path("/proc/self/fd").iterdir())) == descriptors


def test_a_descriptor_that_became_another_socket_is_not_taken_for_the_first() -> None:
    counter = SocketCounter()
    with peers(2) as (first, second):
        before = total(counter, search=True)
        first.exchange(300_000)
        total(counter, search=False)
        os.dup2(second.socket.fileno(), first.socket.fileno())
        second.exchange(200_000)
        after = total(counter, search=True)
    assert after.sent - before.sent == 500_000


def test_searches_follow_close_at_first_and_then_take_their_share_of_the_time(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [100.0]
    searches = list[float]()
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    counter = SocketCounter()

    def search(_: SocketDiagnosis) -> None:
        searches.append(clock[0] - 100)
        clock[0] += 0.01

    monkeypatch.setattr(counter, "_search", search)
    while clock[0] < 150:
        counter.read()
        clock[0] += 0.001
    pauses = [after - before for before, after in pairwise(searches)]
    assert searches[0] == 0
    assert pauses[:3] == pytest.approx([0.02, 0.04, 0.08], rel=0.2)
    assert pauses[-1] == pytest.approx(0.01 / sockets.SEARCH_SHARE, rel=0.01)


def test_where_the_kernel_does_not_tell_there_is_no_number(monkeypatch: pytest.MonkeyPatch) -> None:
    counter = SocketCounter()
    monkeypatch.setattr(SocketDiagnosis, "all", lambda _: (_ for _ in ()).throw(FileNotFoundError()))
    assert counter.read() is None
    assert counter.read() is None


def test_a_process_below_that_carries_nothing_changes_nothing() -> None:
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE):  # noqa: S607
        assert StepMeter(Clock()).finish(1, 1).sent_bytes == 0
    assert SocketCounter().read() == SocketTraffic(0, 0)
