"""Energy that a node takes, by the meter that it has: a person's own, a Pi 5's, or the counter of a processor.

Where there is none nothing is estimated.
"""

from __future__ import annotations

import math
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from picluster.worker.measuring.firmware import board_watts

COMMAND_PAUSE_SECONDS = 2.0
"""A person's command is not started again before."""
COMMAND_SECONDS = 5.0
"""It says nothing where it takes longer."""
_POWERCAP = Path("/sys/class/powercap")
_BOOT = Path("/proc/sys/kernel/random/boot_id")


class Meter(Protocol):
    """A meter of energy."""

    name: str
    """Its kind; meters of one name on several nodes are one and the same if it begins with `rapl`."""

    def joules(self) -> float | None:
        """Energy since the first call; None where the meter says nothing now."""


class WattsMeter:
    """Adds up what a meter of power says: between two readings power is taken to change evenly."""

    def __init__(self, name: str, watts: Callable[[], float | None], now: Callable[[], float] = time.monotonic) -> None:
        self.name, self._watts, self._now = name, watts, now
        self._joules = 0.0
        self._before: tuple[float, float] | None = None

    def joules(self) -> float | None:
        """Read the power and return the energy so far."""
        watts, now = self._watts(), self._now()
        if watts is None:
            return None
        if self._before is not None:
            time_before, watts_before = self._before
            self._joules += (now - time_before) * (watts + watts_before) / 2
        self._before = now, watts
        return self._joules


class CounterMeter:
    """Adds up what the kernel's counters of a processor's energy gain (RAPL); they begin anew when they are full."""

    def __init__(self, name: str, zones: list[Path]) -> None:
        """`zones`: folders of the kernel's powercap interface. OSError where a counter may not be read."""
        self.name = name
        self._counters = [zone / "energy_uj" for zone in zones]
        self._ranges = [int((zone / "max_energy_range_uj").read_text()) + 1 for zone in zones]
        self._before = [int(counter.read_text()) for counter in self._counters]
        self._joules = 0.0

    def joules(self) -> float | None:
        """Read the counters and return the energy so far."""
        try:
            now = [int(counter.read_text()) for counter in self._counters]
        except (OSError, ValueError):
            return None
        gains = zip(now, self._before, self._ranges, strict=True)
        self._joules += sum((after - before) % size for after, before, size in gains) / 1e6
        self._before = now
        return self._joules


class Command:
    """A person's command that prints watts, run at most every two seconds."""

    def __init__(self, words: str, now: Callable[[], float] = time.monotonic) -> None:
        self._words, self._now, self._next = words, now, -math.inf
        self._watts: float | None = None
        self._has_failed = False

    def __call__(self) -> float | None:
        """Watts of its last run, which is made now unless that was just before; None where it printed none."""
        if self._now() >= self._next:
            self._next = self._now() + COMMAND_PAUSE_SECONDS
            self._watts = self._run()
        return self._watts

    def _run(self) -> float | None:
        try:
            told = subprocess.run(
                ["/bin/sh", "-c", self._words],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                timeout=COMMAND_SECONDS,
                check=True,
            )
            return watts_of(told.stdout.decode())
        except (OSError, ValueError, subprocess.SubprocessError) as error:
            if not self._has_failed:
                sys.stderr.write(f"no watts come from the meter of this node: {error}\n")
            self._has_failed = True
            return None


def meter_of(
    hook: str, board: Callable[[], float | None] = board_watts, powercap: Path = _POWERCAP, boot: Path = _BOOT
) -> Meter | None:
    """The meter of this node: a person's own (`hook`: a command, or a file), else the board's, else the processor's."""
    if hook:
        return WattsMeter("own", (lambda: _in_file(hook)) if _is_file(hook) else Command(hook))
    if board() is not None:
        return WattsMeter("pmic", board)
    return _processor(powercap, boot)


def watts_of(text: str) -> float:
    """Watts in a text such as `4.2` or `4.2 W`. ValueError where it has none."""
    watts = float(text.strip().removesuffix("W"))
    if not 0 <= watts < math.inf:
        raise ValueError(f"{watts} is no power")
    return watts


def _is_file(hook: str) -> bool:
    """True for the path of a file that cannot be run."""
    return os.path.isabs(hook) and os.path.isfile(hook) and not os.access(hook, os.X_OK)  # noqa: PTH113, PTH117


def _in_file(name: str) -> float | None:
    try:
        return watts_of(Path(name).read_text())
    except (OSError, ValueError):
        return None


def _processor(powercap: Path, boot: Path) -> Meter | None:
    """Counter of the whole machine where the processor has one (`psys`), else of all its packages."""
    try:
        names = {zone: (zone / "name").read_text().strip() for zone in powercap.glob("intel-rapl:[0-9]*")}
        zones = [zone for zone, name in names.items() if name == "psys"]
        zones = zones or [zone for zone, name in names.items() if name.startswith("package-")]
        return CounterMeter(f"rapl {boot.read_text().strip()}", sorted(zones)) if zones else None
    except (OSError, ValueError):  # root alone may read it, or there is none
        return None
