"""A process that is not below this one and holds the other end of TCP connections."""

from __future__ import annotations

import socket
import struct
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

_ORDER = struct.Struct("=QQ")
ORDER_BYTES = _ORDER.size
"""What `Peer.exchange` sends before its bytes."""
TIMEOUT_SECONDS = 30
_PROGRAM = f"""
import socket, struct, sys
with socket.create_connection((sys.argv[1], int(sys.argv[2]))) as connection:
    while order := connection.recv({_ORDER.size}, socket.MSG_WAITALL):
        left, answer = struct.unpack("{_ORDER.format}", order)
        while left:
            left -= len(connection.recv(min(left, 1 << 16)))
        connection.sendall(bytes(answer))
"""


class Peer:
    """This process's end of a connection to another one."""

    def __init__(self, connection: socket.socket) -> None:
        self.socket = connection

    def exchange(self, sent: int, received: int = 0) -> None:
        """Let exactly `sent` bytes go there and `received` bytes come back."""
        message = _ORDER.pack(sent - ORDER_BYTES, received) + bytes(sent - ORDER_BYTES)
        thread = threading.Thread(target=self.socket.sendall, args=(message,))
        thread.start()
        while received:
            received -= len(self.socket.recv(min(received, 1 << 16)))
        thread.join()


@contextmanager
def peers(count: int = 1, address: str = "127.0.0.1") -> Iterator[list[Peer]]:
    """Connections to as many processes, none of which is below this one: a shell starts them and ends."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.create_server((address, 0), family=family) as server, ExitStack() as stack:
        server.settimeout(TIMEOUT_SECONDS)
        found = []
        for _ in range(count):
            words = [sys.executable, "-c", _PROGRAM, address, str(server.getsockname()[1])]
            subprocess.run(["sh", "-c", '"$@" & :', "sh", *words], check=True)  # noqa: S607
            connection = stack.enter_context(server.accept()[0])
            connection.settimeout(TIMEOUT_SECONDS)
            found.append(Peer(connection))
        yield found
