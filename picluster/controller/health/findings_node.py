"""Findings about one node, from its facts: one rule for each check, one fix for each finding. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from msgspec import field

from picluster.controller.planning.demand import WORKER_BYTES
from picluster.errors import DataError, PiclusterError
from picluster.schema.facts import NodeFacts
from picluster.schema.health import Facts, Finding, NodeHealth, Severity, TorchTrial

ROLE_BYTES = 256 << 20
"""Memory that a role of a small graph takes."""
DATA_BYTES = 1 << 30
"""A graph of Reddit's size."""
SKEW_SECONDS = 2.0
HOT_CELSIUS = 75.0
"""A Pi slows down from 80 on."""
OLDEST_PYTHON = (3, 11)
_WITH_ATOMICS = (2, 10)
"""From this torch on, aarch64 needs them; the Cortex-A72 of a Pi 4 and the A53 of a Pi 3 have none."""
_ANEW = "install it anew there: picluster provision"
_END_OTHERS = "end other programs there: ps aux --sort=-rss"
_OLDER = "install torch 2.9.1 there, which runs on every Pi: picluster provision"
_POWER = {0: "is too low", 16: "has been too low since it was started"}
_HEAT = {
    2: "is slowed down now",
    3: "is at its limit of temperature",
    1: "is capped in its frequency",
    18: "has been slowed down since it was started",
    19: "has been at its limit of temperature since it was started",
    17: "has been capped in its frequency since it was started",
}
"""Bits of `vcgencmd get_throttled`, the gravest first."""


class Patient(NodeHealth, frozen=True, kw_only=True):
    """One node as the doctor found it: its health, whether or not it is ready, and what that is judged from."""

    local: bool = False
    ready: bool = True
    errors: Mapping[str, PiclusterError] = field(default_factory=dict)
    """Failures, and reasons why it is unfit, by check."""
    seen: NodeFacts | None = None
    """Answer of its steward."""
    data_bytes: int = 0
    """Size of the arrays that it reads, by the plan."""
    worker_bytes: int = WORKER_BYTES
    """Memory of its worker that cannot be dropped: what the plan expects, else that of any worker."""


Remark = tuple[str, Severity, str, str]
"""Check, severity, finding and fix."""


def about(patient: Patient) -> list[Finding]:
    """Everything about one node."""
    remarks: list[Remark] = [(check, "problem", error.what, error.fix) for check, error in patient.errors.items()]
    if facts := patient.facts:
        for rules in (_software, _memory, _disk, _access, _board):
            remarks += rules(patient, facts)
    return [
        Finding(check=check, severity=severity, nodes=(patient.name,), what=what, fix=fix)
        for check, severity, what, fix in remarks
    ]


def _software(patient: Patient, facts: Facts) -> Iterator[Remark]:
    if facts.bits != 64:  # noqa: PLR2004
        what = f"its system ({facts.system}) is 32-bit, and torch is made for 64-bit ones only"
        yield "system", "problem", what, "flash the 64-bit Raspberry Pi OS or Ubuntu"
    if _numbers(facts.python) < OLDEST_PYTHON and not (patient.seen and patient.seen.worker):
        what = f"its python3 is {facts.python}, and picluster needs 3.11"
        yield "python", "problem", what, "flash a newer system: Debian 12, Ubuntu 24.04"
    told = patient.torch.versions.get("torch") if patient.torch else None
    torch = told or (patient.seen and patient.seen.torch) or ""
    if patient.torch and patient.torch.step != "done":
        yield "torch", "problem", *_failure_of_torch(patient.torch, torch)
    elif facts.machine == "aarch64" and facts.atomics is False and _numbers(torch) >= _WITH_ATOMICS:
        what = f"torch {torch} needs instructions that the processor lacks (atomics): it may die at any time"
        yield "torch", "problem", what, _OLDER


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", version)[:2])


def _failure_of_torch(trial: TorchTrial, torch: str) -> tuple[str, str]:
    step = trial.step or "starting its python"
    if trial.signal == "SIGILL":
        return f"torch {torch} dies while {step}: the processor lacks instructions (SIGILL)", _OLDER
    if trial.signal == "SIGKILL":
        return f"torch is killed while {step}: there is no memory left", _END_OTHERS
    return f"torch dies while {step}: {trial.signal}" if trial.signal else f"{step} fails: {trial.error}", _ANEW


def _memory(patient: Patient, facts: Facts) -> Iterator[Remark]:
    room = usable_bytes(facts) or 0
    left = f"{room >> 20} MiB of memory are left"
    if facts.available_bytes is None:
        pass
    elif room + (facts.swap_free_bytes or 0) < patient.worker_bytes:
        yield "memory", "problem", f"only {left}, and its worker takes {patient.worker_bytes >> 20}", _END_OTHERS
    elif room < patient.data_bytes + patient.worker_bytes:
        what = (
            f"{left}; its worker takes {patient.worker_bytes >> 20}, its part of the graph {patient.data_bytes >> 20}"
        )
        fix = "expect slow reading from its disk, or give the part to a node with more memory"
        yield "memory", "warning", what, fix
    elif room < ROLE_BYTES:
        yield "memory", "warning", f"only {left}: enough for small parts alone", _END_OTHERS
    if facts.memory_controller is False:
        what = "its kernel does not bound memory: control groups lack the memory controller"
        fix = "add cgroup_enable=memory to the line that it boots with, and restart it: picluster provision"
        yield "cgroup", "warning", what, fix


def usable_bytes(facts: Facts) -> int | None:
    """Memory that a worker could have now."""
    return min((size for size in (facts.available_bytes, facts.limit_bytes) if size is not None), default=None)


def _disk(patient: Patient, facts: Facts) -> Iterator[Remark]:
    told = any(isinstance(error, DataError) for error in patient.errors.values())
    if facts.read_only:
        fix = "see dmesg there: the card may be dying; else mount -o remount,rw /"
        yield "disk", "problem", "its disk takes nothing: it is mounted read-only", fix
    elif not told and facts.free_bytes is not None and facts.free_bytes < DATA_BYTES:
        what = f"only {facts.free_bytes >> 20} MiB of its disk are free: too few for a large graph"
        yield "disk", "warning", what, "free space there: sudo apt clean, old graphs in the cache"


def _access(patient: Patient, facts: Facts) -> Iterator[Remark]:
    loop = next((address for address in facts.name_addresses or () if address.startswith("127.")), None)
    if not facts.sudo and not patient.local:
        yield "sudo", "warning", "sudo asks for a password there", "give its user NOPASSWD in /etc/sudoers.d"
    if facts.name_addresses is None and not patient.local:
        what = "its own host name takes over 3 s to resolve there"
        yield "name", "warning", what, "put the name into its /etc/hosts"
    elif loop and not patient.local:
        what = f"its own host name resolves to {loop} there, which is no address for peers"
        yield "name", "note", what, "none needed: picluster goes by addresses; other programs may not"
    skew = patient.clock_seconds or 0.0
    if abs(skew) >= SKEW_SECONDS:
        what = f"its clock is {abs(skew):,.1f} s {'ahead of' if skew > 0 else 'behind'} this machine's"
        yield "clock", "warning", what, "sudo timedatectl set-ntp true, on it and here"


def _board(_: Patient, facts: Facts) -> Iterator[Remark]:
    if facts.governor == "powersave":
        fix = "set another governor for good: picluster provision"
        yield "governor", "warning", "its processor is kept at its lowest speed (powersave)", fix
    if facts.celsius is not None and facts.celsius >= HOT_CELSIUS:
        what = f"its processor has {facts.celsius:.0f} °C; it slows down from 80 on"
        yield "temperature", "warning", what, "a heat sink or a fan, and air"
    if word := _gravest(facts, _POWER):
        fix = "the official power supply, and a short, thick cable"
        yield "power", "warning", f"its supply voltage {word}", fix
    if word := _gravest(facts, _HEAT):
        yield "throttled", "warning", f"its processor {word}", "a heat sink or a fan; good power"
    for place in facts.swaps_on_card[:1]:
        what = f"it swaps to its SD card ({place}), which is slow and wears the card out"
        yield "swap", "warning", what, "swap to zram instead: sudo apt install zram-tools, and swapoff this"
    if facts.package_locks:
        what = f"{', '.join(facts.package_locks)} is installing packages there"
        yield "apt", "warning", what, "wait for its end before installing or measuring"


def _gravest(facts: Facts, words: dict[int, str]) -> str | None:
    return next((word for bit, word in words.items() if (facts.throttled or 0) >> bit & 1), None)
