"""A terminal that does not show what is typed while something is drawn on it: a line feed would tear the picture."""

import os
import sys
import termios
from collections.abc import Iterator
from contextlib import contextmanager, suppress

_LOCAL_FLAGS = 3
"""Place of the flags of echo in what termios tells."""


@contextmanager
def unechoed() -> Iterator[None]:
    """Keep what is typed from being shown, and drop it in the end. Ctrl-C and Ctrl-Z work as ever.

    A command in the background leaves the terminal alone: the kernel would stop it otherwise.
    """
    terminal = _terminal_in_front()
    if terminal is None:
        yield
        return
    before = termios.tcgetattr(terminal)
    quiet = [*before]
    quiet[_LOCAL_FLAGS] &= ~(termios.ECHO | termios.ICANON)
    try:
        termios.tcsetattr(terminal, termios.TCSANOW, quiet)
        yield
    finally:
        with suppress(termios.error):  # it has been closed
            if _terminal_in_front() is not None:
                termios.tcflush(terminal, termios.TCIFLUSH)
                termios.tcsetattr(terminal, termios.TCSANOW, before)


def _terminal_in_front() -> int | None:
    """Descriptor of the terminal that is read from; None where there is none, or the command runs in its background."""
    with suppress(OSError, ValueError, AttributeError):
        terminal = sys.stdin.fileno()
        if os.tcgetpgrp(terminal) == os.getpgrp():
            return terminal
    return None
