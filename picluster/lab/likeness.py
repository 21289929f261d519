"""What a Raspberry Pi has, as far as a lab can imitate it."""

from __future__ import annotations

from dataclasses import dataclass

from picluster.errors import InputError

_MIB = 1 << 20
_MBIT = 10**6


@dataclass(frozen=True, kw_only=True)
class Likeness:
    """The means of one node."""

    memory_bytes: int
    """What the system shows as total memory: the board's less what firmware and graphics keep."""
    cpus: float
    """Shares of one core of this machine."""
    rate_bits: int
    """Of the link, in each direction, per second."""
    random_reads: int | None = None
    """Reads of a disk per second; None: as fast as this machine's disk."""


# The CPU share compares fp32 matrix products of all four cores with one x86 core of 80 to 90 GFLOP/s; on another host,
# and with other work, it is a rough guide. Reads are those of a common A2 card in that board's slot.
PIS = {
    "zero2w": Likeness(memory_bytes=416 * _MIB, cpus=0.10, rate_bits=40 * _MBIT, random_reads=1500),
    "pi3": Likeness(memory_bytes=908 * _MIB, cpus=0.12, rate_bits=95 * _MBIT, random_reads=1500),
    "pi4": Likeness(memory_bytes=3792 * _MIB, cpus=0.25, rate_bits=940 * _MBIT, random_reads=3000),
    "pi5": Likeness(memory_bytes=8062 * _MIB, cpus=0.70, rate_bits=940 * _MBIT, random_reads=5000),
}


def parse_likeness(text: str) -> tuple[str, ...]:
    """The names in a list such as `zero2w,pi4,pi4`.

    Raises:
        InputError: one of them is not known.
    """
    names = tuple(name.strip() for name in text.split(","))
    for name in names:
        if name not in PIS:
            raise InputError(f"--like {text}: {name!r} is no Pi that is known", fix=f"take from {', '.join(PIS)}")
    return names
