"""Strangers: connect to every port on which a run listens, with garbage, with a wrong token, without a word."""

from __future__ import annotations

import secrets
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta

import psutil
from torch.distributed import TCPStore  # type: ignore[attr-defined]  # documented, yet not in __all__

from picluster.worker.engines.sockets.proof import NotProvenError, call

WORD_SECONDS = 10.0
LOOK_SECONDS = 0.02
Port = tuple[str, int]


def ports_of(controller: int) -> set[Port]:
    """Addresses on which a controller and all processes below it listen."""
    found: set[Port] = set()
    for process in (psutil.Process(controller), *psutil.Process(controller).children(recursive=True)):
        with suppress(psutil.Error):
            found |= {
                (each.laddr.ip, each.laddr.port)
                for each in process.net_connections("tcp")
                if each.status == psutil.CONN_LISTEN
            }
    return found


def say_nothing(_: socket.socket) -> None:
    """Hold it open."""


def say_garbage(connection: socket.socket) -> None:
    connection.sendall(secrets.token_bytes(1 << 16))


def say_zeros(connection: socket.socket) -> None:
    """What looks like lengths and numbers of nothing."""
    connection.sendall(bytes(1 << 12))


def show_a_wrong_token(connection: socket.socket) -> None:
    with suppress(NotProvenError):
        call(connection, secrets.token_bytes(32), 1, 0, time.monotonic() + WORD_SECONDS)


def use_the_store(connection: socket.socket) -> None:
    """Be a client of torch's store, if it is one, and leave a key there."""
    address, port = connection.getpeername()[:2]
    store = TCPStore(address, port, is_master=False, timeout=timedelta(seconds=WORD_SECONDS))
    store.set("a stranger's", "word")


MANNERS: dict[str, Callable[[socket.socket], None]] = {
    "silence": say_nothing,
    "garbage": say_garbage,
    "zeros": say_zeros,
    "wrong token": show_a_wrong_token,
    "store": use_the_store,
}


class Strangers:
    """Try every port that appears below a controller, in every manner."""

    def __init__(self, controller: int, manners: tuple[str, ...]) -> None:
        self.tried: list[Port] = []
        self._controller, self._manners = controller, manners
        self._met: set[Port] = set()
        self._open: list[socket.socket] = []
        self._trying: list[threading.Thread] = []
        self._over = threading.Event()
        self._looking = threading.Thread(target=self._look, daemon=True)
        self._looking.start()

    def come_again(self) -> None:
        """Try the ports once more that were tried already."""
        self._met = set()

    def go(self) -> None:
        self._over.set()
        self._looking.join()
        for connection in self._open:
            connection.close()
        for thread in self._trying:  # a client of torch's store must not live when this process ends
            thread.join()

    def _look(self) -> None:
        while not self._over.wait(LOOK_SECONDS):
            with suppress(psutil.Error):
                for port in ports_of(self._controller) - self._met:
                    self._met.add(port)
                    self.tried.append(port)
                    for manner in self._manners:
                        trying = threading.Thread(target=self._try, args=(port, MANNERS[manner]), daemon=True)
                        trying.start()
                        self._trying.append(trying)

    def _try(self, port: Port, behave: Callable[[socket.socket], None]) -> None:
        with suppress(OSError, RuntimeError):  # torch's errors are of the second kind
            connection = socket.create_connection(port, WORD_SECONDS)
            self._open.append(connection)
            behave(connection)


@contextmanager
def strangers(controller: int, *manners: str) -> Iterator[Strangers]:
    """Strangers of these manners (of all, where none is named) as long as a controller's run lasts."""
    made = Strangers(controller, manners or tuple(MANNERS))
    try:
        yield made
    finally:
        made.go()
