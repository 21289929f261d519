"""A terminal of 80 columns, in which `picluster` runs as it does in a person's."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import shutil
import struct
import subprocess
import termios
import time
from dataclasses import dataclass, field

from tests.integration.desk import GRAPH, RUN_TIMEOUT_SECONDS, Desk

SMALL = (*GRAPH, "--hidden", "8", "--layers-per-node", "1", "--nodes", "3")
SHOW_CURSOR = "\x1b[?25h"
STYLES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


@dataclass
class Terminal:
    """A command in a terminal of its own; everything that it writes is kept."""

    process: subprocess.Popen[bytes]
    screen: int
    written: bytes = field(default=b"")
    is_open: bool = True

    def read(self, *, until: str = "") -> str:
        """All that was written, once `until` is there, or at the end."""
        deadline = time.monotonic() + RUN_TIMEOUT_SECONDS
        while not until or until not in self.written.decode(errors="replace"):
            assert time.monotonic() < deadline, self.written
            try:
                self.written += os.read(self.screen, 65536)
            except OSError:  # Linux says so when the last writer is gone
                assert not until, self.written
                break
        return self.written.decode()

    def end(self) -> tuple[int, str]:
        words = self.read()
        return self.process.wait(RUN_TIMEOUT_SECONDS), words

    def close(self) -> None:
        """Close the window, whatever goes on in it."""
        if self.process.poll() is None:
            self.process.kill()
        if self.is_open:
            os.close(self.screen)
        self.is_open = False

    def resize(self, *, columns: int, lines: int = 24) -> None:
        """Make the window wider or narrower; the kernel tells the command."""
        fcntl.ioctl(self.screen, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))

    def settings(self) -> list[object]:
        return termios.tcgetattr(self.screen)


def terminal_of(
    desk: Desk, opened: list[Terminal], *words: str, columns: int = 80, lines: int = 24, term: str = "xterm-256color"
) -> Terminal:
    """A terminal in which `picluster` and these words were typed, also put into `opened`."""
    setsid = shutil.which("setsid")
    assert setsid
    screen, inside = pty.openpty()
    fcntl.ioctl(inside, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
    environment = {name: value for name, value in desk.environment.items() if name not in ("COLUMNS", "LINES")}
    process = subprocess.Popen(
        [setsid, "--ctty", "--wait", *desk.command(*words)],
        cwd=desk.folder,
        env={**environment, "TERM": term},
        stdin=inside,
        stdout=inside,
        stderr=inside,
    )
    os.close(inside)
    opened.append(Terminal(process, screen))
    return opened[-1]


def plain(words: str) -> list[str]:
    """Every line that was ever drawn."""
    return [STYLES.sub("", line).rstrip() for line in re.split(r"[\r\n]+", words)]
