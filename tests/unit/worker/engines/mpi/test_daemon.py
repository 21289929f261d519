"""Open MPI's sockets take nobody when all workers are connected."""

from __future__ import annotations

import os
import socket
import subprocess
import sys

import pytest

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the mpi engine is for Linux")

LISTEN = "import socket; s = socket.create_server(('', 0)); print(s.getsockname()[1], flush=True); input()"


def connects(port: int, address: str = "127.0.0.1") -> bool:
    """True where somebody answers within a short time."""
    with socket.socket() as caller:
        caller.settimeout(0.5)
        return caller.connect_ex((address, port)) == 0


def test_a_socket_open_to_all_takes_nobody_then() -> None:
    from picluster.worker.engines.mpi.daemon import shut

    with socket.create_server(("", 0)) as listener:
        port = listener.getsockname()[1]
        assert connects(port)
        shut(os.getpid())
        assert not connects(port)


def test_who_is_connected_already_stays_so() -> None:
    from picluster.worker.engines.mpi.daemon import shut

    with socket.create_server(("", 0)) as listener, socket.create_connection(listener.getsockname()) as caller:
        taken, _ = listener.accept()
        with taken:
            shut(os.getpid())
            caller.sendall(b"a word")
            assert taken.recv(6) == b"a word"


def test_a_socket_of_one_address_is_left_alone() -> None:
    from picluster.worker.engines.mpi.daemon import shut

    with socket.create_server(("127.0.0.2", 0)) as listener:
        shut(os.getpid())
        assert connects(listener.getsockname()[1], "127.0.0.2")


def test_a_child_takes_nobody_either() -> None:
    from picluster.worker.engines.mpi.daemon import shut

    words = [sys.executable, "-c", LISTEN]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        port = int(child.stdout.readline())
        assert connects(port)
        shut(child.pid)
        assert not connects(port)
