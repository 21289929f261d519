"""Meters of energy: a person's own, a board's, a processor's counter; there is none of the last two here."""

from __future__ import annotations

from pathlib import Path

import pytest

from picluster.worker.measuring.energy import COMMAND_PAUSE_SECONDS, Command, WattsMeter, meter_of


class Clock:
    """A clock that stands still until it is set."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def no_board() -> None:
    return None


def zone(powercap: Path, number: int, name: str, energy: int) -> Path:
    """A counter as the kernel shows it, that is full at 1,000 microjoules."""
    folder = powercap / f"intel-rapl:{number}"
    folder.mkdir(parents=True, exist_ok=True)
    for file, text in (("name", name), ("max_energy_range_uj", "999"), ("energy_uj", str(energy))):
        (folder / file).write_text(f"{text}\n")
    return folder / "energy_uj"


@pytest.fixture
def boot(tmp_path: Path) -> Path:
    (tmp_path / "boot").write_text("b007\n")
    return tmp_path / "boot"


def test_power_between_two_readings_changes_evenly_and_a_missing_one_is_bridged() -> None:
    clock, watts = Clock(), iter([4.0, 6.0, None, 2.0])
    meter, found = WattsMeter("own", lambda: next(watts), clock), []
    for clock.now in (10.0, 12.0, 13.0, 14.0):
        found.append(meter.joules())
    assert found == [0.0, 10.0, None, 10.0 + 8.0]


def test_a_counter_that_begins_anew_loses_nothing(tmp_path: Path, boot: Path) -> None:
    first, second = zone(tmp_path, 0, "package-0", 900), zone(tmp_path, 1, "package-1", 100)
    zone(tmp_path, 2, "dram", 0)
    meter = meter_of("", no_board, tmp_path, boot)
    assert meter is not None
    assert (meter.name, meter.joules()) == ("rapl b007", 0.0)
    first.write_text("50")
    second.write_text("300")
    assert meter.joules() == pytest.approx((150 + 200) / 1e6)
    first.unlink()
    assert meter.joules() is None


def test_the_counter_of_the_whole_machine_counts_alone(tmp_path: Path, boot: Path) -> None:
    zone(tmp_path, 0, "package-0", 0)
    whole = zone(tmp_path, 1, "psys", 0)
    meter = meter_of("", no_board, tmp_path, boot)
    assert meter is not None
    whole.write_text("7")
    assert meter.joules() == pytest.approx(7e-6)


def test_a_persons_own_meter_comes_before_the_boards_and_that_before_the_processors(tmp_path: Path, boot: Path) -> None:
    zone(tmp_path, 0, "package-0", 0)
    names = [meter and meter.name for meter in (meter_of("echo 4", lambda: 3.0), meter_of("", lambda: 3.0))]
    assert names == ["own", "pmic"]
    assert meter_of("", no_board, tmp_path / "none", boot) is None


@pytest.mark.parametrize(
    ("words", "watts"), [("echo 4.5 W", 4.5), ("exit 1", None), ("echo no", None), ("echo -1", None)]
)
def test_a_command_prints_watts_or_has_no_figure(
    words: str, watts: float | None, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    clock = Clock()
    runs = tmp_path / "runs"
    command = Command(f"echo x >> '{runs}'; {words}", clock)
    assert (command(), command()) == (watts, watts)
    assert runs.read_text() == "x\n"  # too soon for a second time
    clock.now = COMMAND_PAUSE_SECONDS
    assert command() == watts
    assert runs.read_text() == "x\nx\n"
    assert capfd.readouterr().err.count("no watts come from the meter of this node") == (watts is None)


def test_a_file_holds_watts_until_it_does_not(tmp_path: Path) -> None:
    file = tmp_path / "my watts"
    file.write_text("5\n")
    meter = meter_of(str(file), no_board)
    assert meter is not None
    assert meter.joules() == 0.0
    file.write_text("")
    assert meter.joules() is None
