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


RAILS = """\
 3V7_WL_SW_A current(0)=0.00000000A
   3V3_SYS_A current(1)=0.10000000A
  VDD_CORE_A current(7)=2.00000000A
 3V7_WL_SW_V volt(8)=3.79999600V
   3V3_SYS_V volt(9)=3.30000000V
  VDD_CORE_V volt(15)=0.90000000V
     EXT5V_V volt(24)=5.06788000V
      BATT_V volt(25)=3.01110800V
"""


def telling(answer: str, refused: int = 0) -> Callable[[bytearray], None]:
    """A firmware that answers `vcgencmd pmic_read_adc`."""

    def ask(message: bytearray) -> None:
        size, request, tag, room, length, error, words, end = struct.unpack("=6I1024sI", message)
        assert (size, request, tag, room, length, error, end) == (len(message), 0, 0x0003_0080, 1024, 0, 0, 0)
        assert words.rstrip(b"\0") == b"pmic_read_adc"
        head = (size, 0x8000_0000, tag, room, 0x8000_0000, refused)
        struct.pack_into("=6I1024sI", message, 0, *head, answer.encode(), 0)

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


def test_the_power_of_a_board_is_that_of_its_rails_and_what_was_measured_beside_them() -> None:
    rails = 0.1 * 3.3 + 2 * 0.9  # those that have a current; not the 5 V at the entry, nor the battery's
    assert firmware.board_watts(telling(RAILS)) == pytest.approx(1.1451 * rails + 0.5879)


@pytest.mark.parametrize(
    "ask", [no_device, telling('error=1 error_msg="Command not registered"', refused=1), telling("")]
)
def test_a_board_without_a_meter_has_no_figure(ask: Callable[[bytearray], None]) -> None:
    assert firmware.board_watts(ask) is None
