"""Runs `pip install` with the words that are given, and tells in one line what it is doing: a package, how far it is.

In a terminal the line is redrawn; elsewhere a new one comes every few seconds. Warnings and errors are printed as they
are; where pip fails, its last lines follow.
"""

import re
import subprocess
import sys
import time
from collections import deque

FILE = re.compile(r"(?:Downloading|Using cached|Processing) (?:\S*/)?([\w.]+-[\w.+!]+?)(?:-\w|\.tar|\.zip)")
PROGRESS = re.compile(r"Progress (\d+) of (\d+)")
MEGABYTE = 1e6
LOUD = ("WARNING:", "ERROR:", "DEPRECATION:")
LINES_OF_A_FAILURE = 20


class Progress:
    """State of pip's work, from the lines that it prints."""

    def __init__(self) -> None:
        self.doing = "looking for packages"
        self._packages = self._bytes_before = self._bytes = 0
        self._package = ""

    def hear(self, line: str) -> None:
        """Take a line of pip into account."""
        if file := FILE.match(line):
            self._package, self._packages = file[1], self._packages + 1
            self._bytes_before, self._bytes = self._bytes_before + self._bytes, 0
            self.doing = f"package {self._packages}: {self._package}{self._so_far()}"
        elif found := PROGRESS.match(line):
            self._bytes, size = int(found[1]), int(found[2])
            part = f"{self._bytes / MEGABYTE:.1f} of {size / MEGABYTE:.1f} MB"
            self.doing = f"package {self._packages}: {self._package}, {part}{self._so_far()}"
        elif line.startswith("Installing collected packages:"):
            count = line.count(",") + 1
            self.doing = f"installing {count} package{'' if count == 1 else 's'}"

    def _so_far(self) -> str:
        before = self._bytes_before
        return f" ({before / MEGABYTE:,.0f} MB before it)" if before >= MEGABYTE else ""


class Line:
    """A line that changes: redrawn in a terminal, else printed again when it has been a while."""

    def __init__(self) -> None:
        self._is_terminal = sys.stdout.isatty()
        self._pause_seconds = 0.1 if self._is_terminal else 5.0
        self._last, self._told_at = "", time.monotonic()

    def show(self, text: str) -> None:
        """Show the text, unless it is the same, or too soon; that packages are installed is always shown."""
        now = time.monotonic()
        is_soon = now - self._told_at < self._pause_seconds and not text.startswith("installing")
        if text == self._last or is_soon:
            return
        self._last, self._told_at = text, now
        print(f"\r\033[K  {text[:76]}" if self._is_terminal else f"  {text}\n", end="", flush=True)

    def clear(self) -> None:
        """Leave nothing of it in a terminal."""
        if self._is_terminal:
            print("\r\033[K", end="", flush=True)


def main() -> int:
    """Entry point; returns pip's exit code."""
    words = [sys.executable, "-m", "pip", "install", "--progress-bar", "raw", *sys.argv[1:]]
    progress, line, said = Progress(), Line(), deque[str](maxlen=LINES_OF_A_FAILURE)
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as pip:
        assert pip.stdout is not None
        for each in pip.stdout:
            if each.startswith(LOUD):
                line.clear()
                print(each, end="", file=sys.stderr, flush=True)
            elif not PROGRESS.match(each):
                said.append(each)
            progress.hear(each.strip())
            line.show(progress.doing)
    line.clear()
    if pip.returncode:
        print("".join(said), end="", flush=True)
    return pip.returncode


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:  # pip has said so
        sys.exit(130)
