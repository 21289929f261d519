"""The kernel's counts of real TCP connections."""

import socket
from contextlib import suppress

import pytest

from picluster.worker.measuring.kernel_sockets import Connection, SocketDiagnosis

try:
    SocketDiagnosis().all()
except (OSError, AttributeError):
    pytest.skip("this platform does not tell what its sockets carried", allow_module_level=True)


def ends_at(port: int) -> list[Connection]:
    return [each for each in SocketDiagnosis().all() if port in (each.local[1], each.remote[1])]


def test_both_ends_of_a_connection_are_told_with_what_they_carried() -> None:
    diagnosis = SocketDiagnosis()
    with (
        socket.create_server(("::", 0), family=socket.AF_INET6, dualstack_ipv6=True) as server,
        socket.create_connection(("127.0.0.1", server.getsockname()[1])) as client,
        server.accept()[0] as accepted,
    ):
        assert (client.family, accepted.family) == (socket.AF_INET, socket.AF_INET6)
        port, listening = client.getsockname()[1], server.getsockname()[1]
        client.sendall(bytes(123_456))
        accepted.recv(123_456, socket.MSG_WAITALL)
        accepted.sendall(bytes(789))
        client.recv(789, socket.MSG_WAITALL)
        ends = ends_at(port)
        assert {(each.local, each.remote, each.carried[:2]) for each in ends} == {
            ((b"\x7f\0\0\1", port), (b"\x7f\0\0\1", listening), (123_456, 789)),
            ((b"\x7f\0\0\1", listening), (b"\x7f\0\0\1", port), (789, 123_456)),
        }
        assert [each and each[:2] for each in diagnosis.carried_by(ends)] == [each.carried[:2] for each in ends]
    assert diagnosis.carried_by(ends) == [None, None]


def test_many_connections_are_asked_for_at_once() -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=100) as server:
        clients = [socket.create_connection(server.getsockname()) for _ in range(70)]
        ends = ends_at(server.getsockname()[1])
        clients[7].sendall(b"!")
        told = SocketDiagnosis().carried_by(ends)
        for client in clients:
            client.close()
    assert len(told) == 140
    assert sorted(each.sent for each in told if each) == [0] * 139 + [1]


def test_what_waits_in_a_buffer_because_the_other_end_takes_nothing_counts_as_sent() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()) as client:
        written = 0
        client.settimeout(0)
        with server.accept()[0]:
            with suppress(BlockingIOError):
                while True:
                    written += client.send(bytes(1 << 16))
            sent = {each.carried.sent for each in ends_at(client.getsockname()[1])}
    assert sent == {written, 0}
