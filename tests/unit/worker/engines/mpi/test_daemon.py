"""Open MPI's sockets take what comes by the data plane's interface alone."""

from __future__ import annotations

import os
import socket
import subprocess
import sys

import pytest

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the mpi engine is for Linux")

LISTEN = "import socket; s = socket.create_server(('', 0)); print(s.getsockname()[1], flush=True); input()"
OTHERS = [name for _, name in socket.if_nameindex() if name != "lo"] if sys.platform == "linux" else []


def connects(port: int, address: str = "127.0.0.1") -> bool:
    """By way of the interface lo."""
    with socket.socket() as caller:
        return caller.connect_ex((address, port)) == 0


@pytest.mark.skipif(not OTHERS, reason="this machine has no interface but lo")
def test_a_socket_open_to_all_takes_only_what_comes_by_one_interface_then() -> None:
    from picluster.worker.engines.mpi.daemon import guard

    with socket.create_server(("", 0)) as listener:
        port = listener.getsockname()[1]
        guard(os.getpid(), "lo")
        assert connects(port)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"\0")
        guard(os.getpid(), OTHERS[0])
        assert not connects(port)


@pytest.mark.skipif(not OTHERS, reason="this machine has no interface but lo")
def test_a_socket_of_one_address_is_left_alone() -> None:
    from picluster.worker.engines.mpi.daemon import guard

    with socket.create_server(("127.0.0.2", 0)) as listener:
        guard(os.getpid(), OTHERS[0])
        assert connects(listener.getsockname()[1], "127.0.0.2")


@pytest.mark.skipif(not OTHERS, reason="this machine has no interface but lo")
def test_a_child_is_guarded_likewise() -> None:
    from picluster.worker.engines.mpi.daemon import guard

    words = [sys.executable, "-c", LISTEN]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        port = int(child.stdout.readline())
        assert connects(port)
        guard(child.pid, OTHERS[0])
        assert not connects(port)
