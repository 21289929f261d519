"""A command that leaves its terminal: it goes on in a session of its own, which no closed window and no logout ends."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import typer

from picluster.cli.terminal.interrupts import EndSignals
from picluster.cli.terminal.streams import turn_to
from picluster.errors import Stopped


class Departure:
    """The process that goes on. Until it leaves, it still writes to the terminal."""

    def __init__(self, news: int) -> None:
        """`news`: the pipe to the process at the terminal, which waits."""
        self._news = news

    def leave(self, name: str, output: Path) -> None:
        """Write to a file from now on, and let the process at the terminal end, which says farewell to `name`."""
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        turn_to(output)
        with os.fdopen(self._news, "w") as news:
            news.write(name)


def depart(farewell: Callable[[str], None]) -> Departure:
    """Split this process in two, and return in the one that goes on.

    The one at the terminal waits. Where the other leaves, it says farewell and ends well; where that ends before, it
    ends as that did. A signal that asks to end it is passed on.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    reading, writing = os.pipe()
    process = os.fork()
    if process == 0:
        os.close(reading)
        os.setsid()
        return Departure(writing)
    os.close(writing)
    with os.fdopen(reading) as news, EndSignals() as signals:
        try:
            name = news.read()
        except Stopped:
            assert signals.came
            os.kill(process, signals.came)
            name = ""
    if name:
        farewell(name)
        raise typer.Exit
    code = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
    raise typer.Exit(code if code >= 0 else 128 - code)
