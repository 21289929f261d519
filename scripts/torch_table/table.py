"""The table's records and text: what a trial's lines mean, and how a row is written (pure)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from signal import Signals

from picluster.schema.record import Record

STEPS = ("import", "multiply", "Gloo pair", "training step")
PI_5_PAGE_BYTES = 16384
UNTRIED = "–"


class Wheel(Record, frozen=True, kw_only=True):
    """PyPI's wheel of a torch for one Python on aarch64."""

    torch: str
    python: str
    cuda: Sequence[str]
    """Packages with CUDA that it requires; such a wheel is not downloaded, and all below is unknown."""
    glibc: str = UNTRIED
    """Newest version of glibc that one of its libraries asks for."""
    page_bytes: int = 0
    """Largest memory page for which all its libraries are aligned."""

    @property
    def cells(self) -> tuple[str, ...]:
        """Cells of its row."""
        if self.cuda:
            return (self.torch, self.python, ", ".join(self.cuda), UNTRIED, UNTRIED)
        pages = "yes" if self.page_bytes >= PI_5_PAGE_BYTES else "no"
        return (self.torch, self.python, "none", self.glibc, f"{pages} ({self.page_bytes >> 10} KiB)")


class Trial(Record, frozen=True, kw_only=True):
    """Outcome of one try."""

    torch: str
    python: str
    processor: str
    steps: Sequence[str]
    """What came of each of STEPS: its seconds of processor time, why it failed, or that it was not tried."""

    @property
    def cells(self) -> tuple[str, ...]:
        """Cells of its row."""
        return (self.torch, self.python, self.processor, *self.steps)


WHEEL_TITLES = ("torch", "Python", "CUDA packages", "glibc", "16 KiB pages")
TRIAL_TITLES = ("torch", "Python", "processor", *STEPS)


def outcomes(said: str, end: str) -> tuple[str, ...]:
    """Tell what came of each step, from the lines of a trial and how its process ended."""
    seconds = dict(re.findall(r"^end (.+) ([\d.]+)$", said, re.MULTILINE))
    begun = re.findall(r"^begin (.+)$", said, re.MULTILINE) or STEPS[:1]
    return tuple(f"{seconds[step]} s" if step in seconds else end if step in begun else UNTRIED for step in STEPS)


def ending(returncode: int, complaint: str) -> str:
    """Describe how a process failed: by the signal that ended it, or in its own last words."""
    if returncode < 0:
        return Signals(-returncode).name
    return (complaint.strip().splitlines() or [f"exit code {returncode}"])[-1]


def page_bytes(segments: str) -> int:
    """Read the smallest alignment of the segments that are loaded from what `readelf` prints; 0 without any."""
    alignments = re.findall(r"^ +LOAD .*(0x[0-9a-f]+)$", segments, re.MULTILINE)
    return min((int(alignment, 16) for alignment in alignments), default=0)


def glibc(versions: str) -> tuple[int, ...]:
    """Read the newest glibc that is asked for from what `readelf` prints; empty without any."""
    asked = re.findall(r"Name: GLIBC_([\d.]+)", versions)
    return max((tuple(map(int, version.split("."))) for version in asked), default=())


def markdown(titles: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Write a table."""
    lines = [titles, ["---"] * len(titles), *rows]
    return "".join(f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |\n" for cells in lines)
