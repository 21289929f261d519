"""Files with a damaged byte."""

from collections.abc import Callable
from pathlib import Path

from picluster.errors import PiclusterError


def refusals(file: Path, read: Callable[[], object], *, places: int) -> int:
    """How often a file is refused of which one byte is damaged, in as many places; raises what is no error of ours."""
    whole, refused = file.read_bytes(), 0
    for place in range(0, len(whole), 1 + len(whole) // places):
        file.write_bytes(whole[:place] + bytes([whole[place] ^ 0xFF]) + whole[place + 1 :])
        try:
            read()
        except PiclusterError:
            refused += 1
    return refused
