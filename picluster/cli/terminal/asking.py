"""Questions that a person answers at the terminal."""

import getpass
import sys


def agrees(question: str) -> bool:
    """Ask a question; True where the answer is yes. The end of input is a no."""
    try:
        return input(f"{question} [y/N] ").strip().lower() in ("y", "yes")
    except EOFError:
        print()
        return False


def secret(question: str) -> str | None:
    """Ask for what shall not be seen while it is typed; None where nobody sits at a terminal."""
    if not sys.stdin.isatty():
        return None
    try:
        return getpass.getpass(f"{question} ")
    except EOFError:
        return None
