"""Bytes that a process and its children exchange with others, over real sockets."""

import json
import socket
import subprocess
import sys
import time
from itertools import pairwise

import pytest

from picluster.worker.measuring import socket_tree
from picluster.worker.measuring.metrics import StepMeter
from picluster.worker.measuring.socket_diagnosis import SocketDiagnosis
from picluster.worker.measuring.socket_tree import TreeCounter
from picluster.worker.measuring.sockets import SocketBytes, SocketCounter
from picluster.worker.wire.links import Clock

try:
    SocketDiagnosis().all()
except (OSError, AttributeError):
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
from picluster.worker.measuring.socket_tree import TreeCounter

port, searches_again = sys.argv[1], sys.argv[2] == "True"
counter = TreeCounter()
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
print(json.dumps(told))
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


def test_the_kernel_tells_of_a_connection_what_the_socket_itself_tells() -> None:
    with (
        socket.create_server(("::", 0), family=socket.AF_INET6, dualstack_ipv6=True) as server,
        socket.create_connection(("127.0.0.1", server.getsockname()[1])) as client,
        server.accept()[0] as accepted,
    ):
        counter, diagnosis = SocketCounter(), SocketDiagnosis()
        before = counter.read()
        client.sendall(bytes(123_456))
        accepted.recv(123_456, socket.MSG_WAITALL)
        after = counter.read()
        del counter
        port = client.getsockname()[1]
        ends = [each for each in diagnosis.all() if port in (each.local[1], each.remote[1])]
        assert {(each.family, each.local, each.remote) for each in ends} == {
            (socket.AF_INET, (b"\x7f\0\0\1", port), (b"\x7f\0\0\1", server.getsockname()[1])),
            (socket.AF_INET6, (b"\x7f\0\0\1", server.getsockname()[1]), (b"\x7f\0\0\1", port)),
        }
        assert diagnosis.carried_by(ends) == [each.carried for each in ends]
    assert before is not None
    assert after is not None
    assert sum(each.carried.sent for each in ends) == after.sent - before.sent == 123_456
    assert diagnosis.carried_by(ends) == [None, None]


def test_searches_follow_close_at_first_and_then_take_their_share_of_the_time(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [100.0]
    searches = list[float]()
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    counter = TreeCounter()

    def search(_: SocketDiagnosis) -> None:
        searches.append(clock[0] - 100)
        clock[0] += 0.01

    monkeypatch.setattr(counter, "_search", search)
    while clock[0] < 120:
        counter.read()
        clock[0] += 0.001
    pauses = [after - before for before, after in pairwise(searches)]
    assert searches[0] == 0
    assert pauses[:3] == pytest.approx([0.02, 0.04, 0.08], rel=0.2)
    assert pauses[-1] == pytest.approx(0.01 / socket_tree.SEARCH_SHARE, rel=0.01)


def test_where_the_kernel_does_not_tell_there_is_no_number(monkeypatch: pytest.MonkeyPatch) -> None:
    counter = TreeCounter()
    monkeypatch.setattr(SocketDiagnosis, "all", lambda _: (_ for _ in ()).throw(FileNotFoundError()))
    assert counter.read() is None
    assert counter.read() is None


def test_a_worker_s_children_are_only_looked_at_where_it_has_some() -> None:
    assert isinstance(StepMeter(Clock())._counter, SocketCounter)
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE):  # noqa: S607
        meter = StepMeter(Clock())
        assert isinstance(meter._counter, TreeCounter)
        assert meter.finish(1, 1).sent_bytes == 0
    assert SocketBytes(0, 0) == TreeCounter().read()
