"""What a Pi's firmware is asked, and how its answers are read; there is none here."""

import struct
from collections.abc import Callable

import pytest

from picluster.worker.measuring import firmware


def answering(tag: int, *values: int, code: int = 0x8000_0000) -> Callable[[bytearray], None]:
    """A firmware that knows one property."""

    def ask(message: bytearray) -> None:
        size, request, asked, room, kind = struct.unpack_from("=5I", message)
        assert (size, request, asked, room, kind) == (len(message), 0, tag, 4 * len(values), 0)
        struct.pack_into(f"={5 + len(values)}I", message, 0, size, code, tag, room, 0x8000_0000 | room, *values)

    return ask


def no_device(_: bytearray) -> None:
    raise FileNotFoundError("/dev/vcio")


def test_a_pi_that_is_throttled_now_says_so_and_what_was_before_does_not_count() -> None:
    assert firmware.throttled(answering(0x0003_0046, 0x5_0005)) == 5
    assert firmware.throttled(answering(0x0003_0046, 0x5_0000)) == 0


def test_the_clock_is_the_measured_one() -> None:
    assert firmware.clock_mhz(answering(0x0003_0047, 3, 600_117_184)) == pytest.approx(600.117184)


@pytest.mark.parametrize("ask", [no_device, answering(0x0003_0046, 0, code=0x8000_0001)])
def test_where_nobody_answers_nothing_is_known(ask: Callable[[bytearray], None]) -> None:
    assert firmware.throttled(ask) is None
