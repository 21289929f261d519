"""Questions to a Raspberry Pi's firmware: whether it holds the processor back, its true clock, and a Pi 5's power.

The kernel passes them on (`/dev/vcio`, the mailbox that `vcgencmd` uses, too). Elsewhere there is no such device.
"""

from __future__ import annotations

import fcntl
import os
import re
import struct
from collections.abc import Callable
from contextlib import suppress
from functools import cache

# From drivers/char/broadcom/vcio.c and include/soc/bcm2835/raspberrypi-firmware.h of the Raspberry Pi's kernel.
_PROPERTY = 3 << 30 | struct.calcsize("P") << 16 | 100 << 8
_GET_THROTTLED, _GET_CLOCK_MEASURED = 0x0003_0046, 0x0003_0047
_ANSWERED = 0x8000_0000
_ARM = 3
# From vcgencmd/vcgencmd.c of the Raspberry Pi's utilities: a command in words and its answer share one space.
_GENERAL_COMMAND, _SPACE = 0x0003_0080, 1024
_RAIL = re.compile(r"(\w+)_([AV]) +(?:current|volt)\(\d+\)=([0-9.]+)[AV]")
# The rails leave out what goes to USB, HATs and losses. Measured against a meter in the cable, for several loads, by
# https://github.com/jfikar/RPi5-power: watts = 1.1451 * the rails' sum + 0.5879.
_OF_RAILS, _OF_ALL_ELSE = 1.1451, 0.5879

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


def board_watts(ask: Ask = _ask) -> float | None:
    """Return the power that a Pi 5 takes, from its own meter of each rail; None on other boards."""
    rails: dict[str, dict[str, float]] = {"A": {}, "V": {}}
    for rail, unit, value in _RAIL.findall(_told_by("pmic_read_adc", ask)):
        rails[unit][rail] = float(value)
    powers = [amperes * rails["V"][rail] for rail, amperes in rails["A"].items() if rail in rails["V"]]
    return _OF_RAILS * sum(powers) + _OF_ALL_ELSE if powers else None


def _told_by(command: str, ask: Ask) -> str:
    """Answer to a command of `vcgencmd`; empty where nobody answers, or the board does not know it."""
    form = struct.Struct(f"=6I{_SPACE}sI")
    message = bytearray(form.pack(form.size, 0, _GENERAL_COMMAND, _SPACE, 0, 0, command.encode(), 0))
    with suppress(OSError):
        ask(message)
        _, code, _, _, _, refused, answer, _ = form.unpack(message)
        if code == _ANSWERED and not refused:
            return str(answer.partition(b"\0")[0], "ascii", "replace")
    return ""


def _property(tag: int, values: tuple[int, ...], ask: Ask) -> tuple[int, ...] | None:
    """Ask for a property: size, request, tag, size and kind of its values, these, and an end; all words of 32 bits."""
    form = struct.Struct(f"={6 + len(values)}I")
    message = bytearray(form.pack(form.size, 0, tag, 4 * len(values), 0, *values, 0))
    with suppress(OSError):
        ask(message)
        _, code, *answer = form.unpack(message)
        return tuple(answer[3:-1]) if code == _ANSWERED else None
    return None
