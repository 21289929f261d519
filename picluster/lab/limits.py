"""Limits of a virtual node: memory, processor, link and disk, as people type them and as Raspberry Pis have them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from picluster.errors import InputError

_BYTES = {"k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40}
_BITS = {"kbit": 10**3, "mbit": 10**6, "gbit": 10**9}
_SIZE = re.compile(r"(\d+(?:\.\d+)?)([kmgt])(?:ib)?", re.IGNORECASE)
_RATE = re.compile(r"(\d+(?:\.\d+)?)([kmg]bit)", re.IGNORECASE)
_MIB = 1 << 20
_MBIT = 10**6


@dataclass(frozen=True, kw_only=True)
class NodeLimits:
    """Limits of one node."""

    memory_bytes: int
    """Memory that the system shows in all: the board's less what firmware and graphics keep."""
    cpus: float
    """Shares of one core of this machine."""
    rate_bits: int
    """Rate of the link in bits, per second and direction."""
    random_reads: int | None = None
    """Reads of a disk per second; None: as fast as this machine's disk."""


# The CPU share compares fp32 matrix products of all four cores with one x86 core of 80 to 90 GFLOP/s; on another host,
# and with other work, it is a rough guide. Reads are those of a common A2 card in that board's slot.
PIS = {
    "zero2w": NodeLimits(memory_bytes=416 * _MIB, cpus=0.10, rate_bits=40 * _MBIT, random_reads=1500),
    "pi3": NodeLimits(memory_bytes=908 * _MIB, cpus=0.12, rate_bits=95 * _MBIT, random_reads=1500),
    "pi4": NodeLimits(memory_bytes=3792 * _MIB, cpus=0.25, rate_bits=940 * _MBIT, random_reads=3000),
    "pi5": NodeLimits(memory_bytes=8062 * _MIB, cpus=0.70, rate_bits=940 * _MBIT, random_reads=5000),
}


def parse_likeness(text: str) -> tuple[str, ...]:
    """Split a list such as `zero2w,pi4,pi4` into the Pis' names; raises InputError where one is not known."""
    names = tuple(name.strip() for name in text.split(","))
    for name in names:
        if name not in PIS:
            raise InputError(f"--like {text}: {name!r} is no Pi that is known", fix=f"take from {', '.join(PIS)}")
    return names


def parse_size(text: str, option: str) -> int:
    """Read a size such as `512MiB` or `1G`, in powers of 1,024, as bytes; raises InputError where it is none."""
    return _parse(text, option, _SIZE, _BYTES, "size", "512MiB or 1GiB")


def parse_rate(text: str, option: str) -> int:
    """Read a rate such as `940mbit`, in powers of 1,000, as bits per second; raises InputError where it is none."""
    return _parse(text, option, _RATE, _BITS, "rate", "100mbit or 1gbit")


def _parse(text: str, option: str, form: re.Pattern[str], units: Mapping[str, int], noun: str, examples: str) -> int:
    found = form.fullmatch(text)
    amount = int(float(found[1]) * units[found[2].lower()]) if found else 0
    if not amount:
        raise InputError(f"{option} {text}: that is no {noun}", fix=f"say it as {examples}")
    return amount
