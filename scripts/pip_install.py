"""Runs `pip install` with the words that are given, and tells in one line what it is doing: a package, how far it is.

In a terminal the line is redrawn; elsewhere a new one comes every few seconds. Warnings and errors are printed as they
are; where pip fails, its last lines follow.
"""

import re
import subprocess
import sys
import sysconfig
from collections import deque
from pathlib import Path
from threading import Event, Thread

FILE = re.compile(r"(?:Downloading|Using cached|Processing) (?:\S*/)?([\w.]+-[\w.+!]+?)(?:-\w|\.tar|\.zip)")
PROGRESS = re.compile(r"Progress (\d+) of (\d+)")
MEGABYTE = 1e6
LOUD = ("WARNING:", "ERROR:", "DEPRECATION:")
LINES_OF_A_FAILURE = 20
NEW_LINE_SECONDS, REDRAWN_SECONDS = 5.0, 0.2
ERASE_LINE = "\r\033[K"


class Progress:
    """State of pip's work, from the lines that it prints and the packages that are there."""

    def __init__(self, packages: Path) -> None:
        self._folder = packages
        self._packages = self._bytes_before = self._bytes = 0
        self._doing = "looking for packages"
        self._to_install = self._there_before = 0

    def hear(self, line: str) -> None:
        """Take a line of pip into account."""
        if file := FILE.match(line):
            self._packages += 1
            self._bytes_before, self._bytes = self._bytes_before + self._bytes, 0
            self._package = f"package {self._packages}: {file[1]}"
            self._doing = f"{self._package}{self._so_far()}"
        elif found := PROGRESS.match(line):
            self._bytes, size = int(found[1]), int(found[2])
            part = f"{self._bytes / MEGABYTE:.1f} of {size / MEGABYTE:.1f} MB"
            self._doing = f"{self._package}, {part}{self._so_far()}"
        elif line.startswith("Installing collected packages:"):
            self._to_install, self._there_before = line.count(",") + 1, self._there()

    def told(self) -> str:
        """Tell what pip is doing. It installs one package after the other, and says nothing meanwhile."""
        if not self._to_install:
            return self._doing
        done = min(max(self._there() - self._there_before, 0), self._to_install)
        return f"installing: {done} of {self._to_install} package{'' if self._to_install == 1 else 's'} done"

    def _so_far(self) -> str:
        before = self._bytes_before
        return f" ({before / MEGABYTE:,.0f} MB before it)" if before >= MEGABYTE else ""

    def _there(self) -> int:
        return sum(1 for _ in self._folder.glob("*.dist-info"))


def main() -> int:
    """Entry point; returns pip's exit code."""
    words = [sys.executable, "-m", "pip", "install", "--progress-bar", "raw", *sys.argv[1:]]
    progress, said, over = Progress(Path(sysconfig.get_path("purelib"))), deque[str](maxlen=LINES_OF_A_FAILURE), Event()
    teller = Thread(target=keep_telling, args=(progress, over), daemon=True)
    teller.start()
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as pip:
        assert pip.stdout is not None
        for line in pip.stdout:
            if line.startswith(LOUD):
                print(ERASE_LINE * sys.stdout.isatty(), end="", flush=True)
                print(line, end="", file=sys.stderr, flush=True)
            elif not PROGRESS.match(line):
                said.append(line)
            progress.hear(line.strip())
    over.set()
    teller.join()
    if pip.returncode:
        print("".join(said), end="", flush=True)
    return pip.returncode


def keep_telling(progress: Progress, over: Event) -> None:
    """Print what pip is doing until it is over: in a terminal always in the same line."""
    is_terminal = sys.stdout.isatty()
    before = ""
    while not over.wait(REDRAWN_SECONDS if is_terminal else NEW_LINE_SECONDS):
        text = progress.told()
        if is_terminal:
            print(f"{ERASE_LINE}  {text[:76]}", end="", flush=True)
        elif text != before:
            print(f"  {text}", flush=True)
        before = text
    print(ERASE_LINE * is_terminal, end="", flush=True)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:  # pip has said so
        sys.exit(130)
