"""Bytes that real sockets carried."""

import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

from picluster.worker.measuring import sockets
from picluster.worker.measuring.sockets import SocketBytes, SocketCounter

if SocketCounter().read() is None:
    pytest.skip("this platform does not tell what its sockets carried", allow_module_level=True)

TIMEOUT_SECONDS = 30
OTHER_END = """
import socket, sys
with socket.create_connection(("127.0.0.1", int(sys.argv[1]))) as connection:
    while connection.recv(65536):
        pass
    connection.sendall(bytes(400_000))
"""


def now() -> SocketBytes:
    found = SocketCounter().read()
    assert found is not None
    return found


def open_descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def carry(sender: socket.socket, receiver: socket.socket, size: int) -> None:
    thread = threading.Thread(target=sender.sendall, args=(bytes(size),))
    thread.start()
    left = size
    while left:
        left -= len(receiver.recv(1 << 16))
    thread.join()


@pytest.fixture(params=[socket.AF_INET, socket.AF_INET6], ids=["IPv4", "IPv6"])
def connection(request: pytest.FixtureRequest) -> Iterator[tuple[socket.socket, socket.socket]]:
    address = "127.0.0.1" if request.param == socket.AF_INET else "::1"
    with ExitStack() as stack:
        try:
            server = stack.enter_context(socket.create_server((address, 0), family=request.param))
        except OSError:
            pytest.skip(f"no {address} here")
        client = stack.enter_context(socket.create_connection(server.getsockname()[:2]))
        yield client, stack.enter_context(server.accept()[0])


@pytest.mark.parametrize("sizes", [(3_000_000, 500_000), (0, 2_000_000)])
def test_the_bytes_of_a_connection_are_counted_at_both_ends(
    connection: tuple[socket.socket, socket.socket], sizes: tuple[int, int]
) -> None:
    first, second = connection
    before = now()
    carry(first, second, sizes[0])
    carry(second, first, sizes[1])
    after = now()
    # Both ends belong to this process.
    assert after.sent - before.sent == pytest.approx(sum(sizes), rel=0.01)
    assert after.received - before.received == pytest.approx(sum(sizes), rel=0.01)


def test_what_waits_in_a_buffer_because_the_other_end_takes_nothing_counts_as_sent(
    connection: tuple[socket.socket, socket.socket],
) -> None:
    first, _ = connection
    first.settimeout(0)
    before, written = now(), 0
    with suppress(BlockingIOError):
        while True:
            written += first.send(bytes(1 << 16))
    assert now().sent - before.sent == written


def test_a_reading_that_is_below_what_must_have_been_sent_looks_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sockets, "LOOK_SECONDS", 3600.0)
    counter = SocketCounter()
    before = counter.read()
    assert before is not None
    with socket.create_server(("127.0.0.1", 0)) as server, ExitStack() as stack:
        client = stack.enter_context(socket.create_connection(server.getsockname()))
        carry(client, stack.enter_context(server.accept()[0]), 200_000)
        after = counter.read(at_least=before.sent + 200_000)
    assert after is not None
    assert after.sent - before.sent >= 200_000


def test_one_end_alone_tells_the_two_directions_apart() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        words = [sys.executable, "-c", OTHER_END, str(server.getsockname()[1])]
        with subprocess.Popen(words) as other, server.accept()[0] as here:
            before = now()
            here.sendall(bytes(1_000_001))
            here.shutdown(socket.SHUT_WR)
            left = 400_000
            while left:
                left -= len(here.recv(1 << 16))
            assert other.wait(TIMEOUT_SECONDS) == 0
            after = now()
    assert after.sent - before.sent == pytest.approx(1_000_001, rel=0.01)
    assert after.received - before.received == pytest.approx(400_000, rel=0.01)


def test_other_descriptors_are_not_counted_and_all_stay_open() -> None:
    with ExitStack() as stack:
        pair = [stack.enter_context(each) for each in socket.socketpair()]
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        datagrams = [stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) for _ in range(2)]
        datagrams[1].bind(("127.0.0.1", 0))
        before, descriptors = now(), open_descriptors()
        carry(pair[0], pair[1], 100_000)
        datagrams[0].sendto(bytes(1000), datagrams[1].getsockname())
        assert now() == before
        assert open_descriptors() == descriptors
        assert listener.fileno() >= 0
        carry(pair[1], pair[0], 10)


@pytest.fixture
def always_looking(monkeypatch: pytest.MonkeyPatch) -> None:
    """The connections of tests live for milliseconds only."""
    monkeypatch.setattr(sockets, "LOOK_SECONDS", 0.0)


@pytest.mark.usefixtures("always_looking")
def test_what_a_closed_connection_carried_stays_counted_and_a_new_one_is_added() -> None:
    counter, totals = SocketCounter(), list[SocketBytes]()
    counter.read()
    for _ in range(2):
        with socket.create_server(("127.0.0.1", 0)) as server, ExitStack() as stack:
            client = stack.enter_context(socket.create_connection(server.getsockname()))
            carry(client, stack.enter_context(server.accept()[0]), 200_000)
            assert counter.read() == counter.read(), "reading twice counts once"
        total = counter.read()
        assert total is not None
        totals.append(total)
    assert totals[1].sent - totals[0].sent == pytest.approx(200_000, rel=0.01)
    assert totals[1].received - totals[0].received == pytest.approx(200_000, rel=0.01)


def test_a_connection_is_counted_from_its_first_byte_however_late_it_is_noticed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sockets, "LOOK_SECONDS", 3600.0)
    counter = SocketCounter()
    before = counter.read()
    assert before is not None
    with socket.create_server(("127.0.0.1", 0)) as server, ExitStack() as stack:
        client = stack.enter_context(socket.create_connection(server.getsockname()))
        carry(client, stack.enter_context(server.accept()[0]), 200_000)
        assert counter.read() == before, "it was looked for just now"
        counter._look_time = 0.0
        after = counter.read()
    assert after is not None
    assert after.sent - before.sent == pytest.approx(200_000, rel=0.01)


@pytest.mark.usefixtures("always_looking")
def test_a_descriptor_that_became_another_socket_is_not_taken_for_the_first() -> None:
    with ExitStack() as stack:
        server = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        clients = [stack.enter_context(socket.create_connection(server.getsockname())) for _ in range(2)]
        others = [stack.enter_context(server.accept()[0]) for _ in range(2)]
        counter = SocketCounter()
        before = counter.read()
        assert before is not None
        carry(clients[0], others[0], 300_000)
        os.dup2(clients[1].fileno(), clients[0].fileno())
        carry(clients[1], others[1], 200_000)
        after = counter.read()
        assert after is not None
        assert after.sent - before.sent == pytest.approx(500_000, rel=0.01)
        assert after.received - before.received == pytest.approx(500_000, rel=0.01)


@pytest.mark.usefixtures("always_looking")
def test_a_peer_learns_that_a_connection_was_closed_at_the_next_reading() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, ExitStack() as stack:
        client = socket.create_connection(server.getsockname())
        there = stack.enter_context(server.accept()[0])
        there.settimeout(TIMEOUT_SECONDS)
        counter = SocketCounter()
        counter.read()
        client.close()
        counter.read()
        assert there.recv(1) == b""


def test_a_counter_closes_its_copies_when_it_is_dropped(connection: tuple[socket.socket, socket.socket]) -> None:
    before = open_descriptors()
    counter = SocketCounter()
    counter.read()
    assert open_descriptors() == before + len(connection) + 1, "the copies, and the folder of descriptors"
    del counter
    assert open_descriptors() == before
