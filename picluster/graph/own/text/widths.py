"""Whether all lines of a large file have equally many columns, by counting separators: 20 times faster than cells."""

import gzip
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from picluster.graph.own.text.source import is_gzip

_CHUNK_BYTES = 1 << 22


def are_even(file: Path, separator: str, width: int, first_line: int) -> bool:
    """Whether every line from `first_line` on has `width` columns or is empty. False also where only cells can tell."""
    if not separator:
        return False
    for lines in _whole_lines(file, first_line):
        if b'"' in lines or b"\r" in lines.replace(b"\r\n", b"\n"):
            return False
        characters = np.frombuffer(lines, np.uint8)
        ends = np.flatnonzero(characters == ord("\n"))
        lengths = np.diff(ends, prepend=-1) - 1
        separators = np.flatnonzero(characters == ord(separator))
        counts = np.diff(np.searchsorted(separators, ends), prepend=0)
        if (counts[lengths > 1] != width - 1).any() or (counts[lengths <= 1] > 0).any():
            return False
    return True


def _whole_lines(file: Path, first_line: int) -> Iterator[bytes]:
    """Pieces of a file that end where lines end."""
    with gzip.open(file) if is_gzip(file) else file.open("rb") as stream:
        for _ in range(first_line - 1):
            stream.readline()
        while piece := stream.read(_CHUNK_BYTES):
            whole = piece + stream.readline()
            yield whole if whole.endswith(b"\n") else whole + b"\n"
