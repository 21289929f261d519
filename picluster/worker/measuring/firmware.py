"""Questions to a Raspberry Pi's firmware: whether it holds the processor back, and how fast that runs in truth.

The kernel passes them on (`/dev/vcio`, the mailbox that `vcgencmd` uses, too). Elsewhere there is no such device.
"""

from __future__ import annotations

import fcntl
import os
import struct
from collections.abc import Callable
from contextlib import suppress
from functools import cache

# From drivers/char/broadcom/vcio.c and include/soc/bcm2835/raspberrypi-firmware.h of the Raspberry Pi's kernel.
_PROPERTY = 3 << 30 | struct.calcsize("P") << 16 | 100 << 8
_GET_THROTTLED, _GET_CLOCK_MEASURED = 0x0003_0046, 0x0003_0047
_ANSWERED = 0x8000_0000
_ARM = 3

Ask = Callable[[bytearray], None]
"""Passes a message to the firmware, which writes its answer over it. Raises OSError where there is none."""


def _ask(message: bytearray) -> None:
    fcntl.ioctl(_mailbox(), _PROPERTY, message)


@cache
def _mailbox() -> int:
    """A descriptor that stays open."""
    return os.open("/dev/vcio", os.O_RDONLY | os.O_CLOEXEC)


def throttled(ask: Ask = _ask) -> int | None:
    """Return bits: 1 low voltage, 2 clock capped, 4 throttled, 8 near the limit of heat; None where nobody tells."""
    answer = _property(_GET_THROTTLED, (0,), ask)
    return answer[0] & 0xF if answer else None


def clock_mhz(ask: Ask = _ask) -> float | None:
    """Return the processor's clock as it is measured; None where nobody tells."""
    answer = _property(_GET_CLOCK_MEASURED, (_ARM, 0), ask)
    return answer[1] / 1e6 if answer else None


def _property(tag: int, values: tuple[int, ...], ask: Ask) -> tuple[int, ...] | None:
    """Ask for a property: size, request, tag, size and kind of its values, these, and an end; all words of 32 bits."""
    form = struct.Struct(f"={6 + len(values)}I")
    message = bytearray(form.pack(form.size, 0, tag, 4 * len(values), 0, *values, 0))
    with suppress(OSError):
        ask(message)
        _, code, *answer = form.unpack(message)
        return tuple(answer[3:-1]) if code == _ANSWERED else None
    return None
