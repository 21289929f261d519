"""Sizes and rates as people type and read them."""

from __future__ import annotations

import re

from picluster.errors import InputError

_BYTES = {"k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40}
_BITS = {"kbit": 10**3, "mbit": 10**6, "gbit": 10**9}
_SIZE = re.compile(r"(\d+(?:\.\d+)?)([kmgt])(?:ib)?", re.IGNORECASE)
_RATE = re.compile(r"(\d+(?:\.\d+)?)([kmg]bit)", re.IGNORECASE)


def parse_size(text: str, what: str) -> int:
    """Bytes of a size such as `512MiB` or `1G`: powers of 1,024.

    Raises:
        InputError: it is none; says `what` was given.
    """
    found = _SIZE.fullmatch(text)
    size = int(float(found[1]) * _BYTES[found[2].lower()]) if found else 0
    if not size:
        raise InputError(f"{what} {text}: that is no size", fix="say it as 512MiB or 1GiB")
    return size


def parse_rate(text: str, what: str) -> int:
    """Bits per second of a rate such as `940mbit`: powers of 1,000, as tc has it.

    Raises:
        InputError: it is none; says `what` was given.
    """
    found = _RATE.fullmatch(text)
    rate = int(float(found[1]) * _BITS[found[2].lower()]) if found else 0
    if not rate:
        raise InputError(f"{what} {text}: that is no rate", fix="say it as 100mbit or 1gbit")
    return rate
