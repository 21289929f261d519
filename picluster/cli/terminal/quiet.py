"""A terminal that does not show what is typed while something is drawn on it: a line feed would tear the picture."""

import sys
import termios
from collections.abc import Iterator
from contextlib import contextmanager, suppress

_LOCAL_FLAGS = 3
"""Place of the flags of echo in what termios tells."""


@contextmanager
def unechoed() -> Iterator[None]:
    """Keep what is typed from being shown, and drop it in the end. Ctrl-C and Ctrl-Z work as ever."""
    try:
        terminal = sys.stdin.fileno()
        before = termios.tcgetattr(terminal)
    except (OSError, ValueError, AttributeError, termios.error):  # no terminal
        yield
        return
    quiet = [*before]
    quiet[_LOCAL_FLAGS] &= ~(termios.ECHO | termios.ICANON)
    try:
        termios.tcsetattr(terminal, termios.TCSANOW, quiet)
        yield
    finally:
        with suppress(termios.error):  # it has been closed
            termios.tcflush(terminal, termios.TCIFLUSH)
            termios.tcsetattr(terminal, termios.TCSANOW, before)
