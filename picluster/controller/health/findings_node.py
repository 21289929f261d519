"""What is wrong with a node, from its facts: one rule for each check, one fix for each finding. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable

from picluster.controller.health.patient import Patient
from picluster.errors import DataError
from picluster.schema.health import Facts, Finding, Severity

WORKER_BYTES = 142 << 20
"""Anonymous memory of a process that has imported torch and done nothing else."""
ROLE_BYTES = 256 << 20
"""What a role of a small graph takes."""
DATA_BYTES = 1 << 30
"""A graph of Reddit's size."""
SKEW_SECONDS = 2.0
HOT_CELSIUS = 75.0
"""A Pi slows down from 80 on."""
OLDEST_PYTHON = (3, 11)
_WITH_ATOMICS = (2, 10)
"""From this torch on, aarch64 needs them; the Cortex-A72 of a Pi 4 and the A53 of a Pi 3 have none."""
_ANEW = "install it anew there: picluster provision"
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

Rule = Callable[[Patient, Facts], Finding | None]


def about(patient: Patient) -> list[Finding]:
    """Everything about one node."""
    errors = patient.errors.items()
    found = [_found(patient, check, "problem", error.what, error.fix) for check, error in errors]
    facts = patient.facts
    return found if facts is None else [*found, *(each for rule in RULES if (each := rule(patient, facts)))]


def _found(patient: Patient, check: str, severity: Severity, what: str, fix: str) -> Finding:
    return Finding(check=check, severity=severity, nodes=(patient.name,), what=what, fix=fix)


def _system(patient: Patient, facts: Facts) -> Finding | None:
    if facts.bits == 64:  # noqa: PLR2004
        return None
    what = f"its system ({facts.system}) is 32-bit, and torch is made for 64-bit ones only"
    return _found(patient, "system", "problem", what, "flash the 64-bit Raspberry Pi OS or Ubuntu")


def _python(patient: Patient, facts: Facts) -> Finding | None:
    version = tuple(int(number) for number in re.findall(r"\d+", facts.python)[:2])
    if version >= OLDEST_PYTHON or (patient.seen and patient.seen.worker):
        return None
    what = f"its python3 is {facts.python}, and picluster needs 3.11"
    return _found(patient, "python", "problem", what, "flash a newer system: Debian 12, Ubuntu 24.04")


def _torch(patient: Patient, facts: Facts) -> Finding | None:
    trial = patient.torch
    if trial is None or trial.step == "done":
        return _atomics(patient, facts)
    step, fix = trial.step or "starting its python", _ANEW
    if trial.signal == "SIGILL":
        what = f"torch {_torch_version(patient)} dies while {step}: the processor lacks instructions (SIGILL)"
        fix = _OLDER
    elif trial.signal == "SIGKILL":
        what = f"torch is killed while {step}: there is no memory left"
        fix = "end other programs there: ps aux --sort=-rss"
    elif trial.signal:
        what = f"torch dies while {step}: {trial.signal}"
    else:
        what = f"{step} fails: {trial.error}"
    return _found(patient, "torch", "problem", what, fix)


def _atomics(patient: Patient, facts: Facts) -> Finding | None:
    version = tuple(int(number) for number in re.findall(r"\d+", _torch_version(patient))[:2])
    if facts.machine != "aarch64" or facts.atomics is not False or version < _WITH_ATOMICS:
        return None
    what = (
        f"torch {_torch_version(patient)} needs instructions that the processor lacks (atomics): it may die at any time"
    )
    return _found(patient, "torch", "problem", what, _OLDER)


def _torch_version(patient: Patient) -> str:
    told = patient.torch.versions.get("torch") if patient.torch else None
    return told or (patient.seen and patient.seen.torch) or ""


def _sudo(patient: Patient, facts: Facts) -> Finding | None:
    if facts.sudo or patient.local:
        return None
    fix = "give its user NOPASSWD in /etc/sudoers.d"
    return _found(patient, "sudo", "warning", "sudo asks for a password there", fix)


def _name(patient: Patient, facts: Facts) -> Finding | None:
    if patient.local:
        return None
    if facts.name_addresses is None:
        what = "its own host name takes over 3 s to resolve there"
        return _found(patient, "name", "warning", what, "put the name into its /etc/hosts")
    loops = [address for address in facts.name_addresses if address.startswith("127.")]
    if not loops:
        return None
    what = f"its own host name resolves to {loops[0]} there, which is no address for peers"
    return _found(patient, "name", "note", what, "none needed: picluster goes by addresses; other programs may not")


def _clock(patient: Patient, facts: Facts) -> Finding | None:  # noqa: ARG001
    skew = patient.clock_seconds
    if skew is None or abs(skew) < SKEW_SECONDS:
        return None
    what = f"its clock is {abs(skew):,.1f} s {'ahead of' if skew > 0 else 'behind'} this machine's"
    return _found(patient, "clock", "warning", what, "sudo timedatectl set-ntp true, on it and here")


def _memory(patient: Patient, facts: Facts) -> Finding | None:
    if facts.available_bytes is None:
        return None
    room, fix = usable_bytes(facts) or 0, "end other programs there: ps aux --sort=-rss"
    left = f"{room >> 20} MiB of memory are left"
    if room + (facts.swap_free_bytes or 0) < WORKER_BYTES:
        what = f"only {left}, and torch alone takes {WORKER_BYTES >> 20}"
        return _found(patient, "memory", "problem", what, fix)
    if room < patient.data_bytes + WORKER_BYTES:
        what = f"{left}; torch takes {WORKER_BYTES >> 20}, its part of the graph {patient.data_bytes >> 20}"
        fix = "expect slow reading from its disk, or give the part to a node with more memory"
        return _found(patient, "memory", "warning", what, fix)
    if room < ROLE_BYTES:
        return _found(patient, "memory", "warning", f"only {left}: enough for small parts alone", fix)
    return None


def usable_bytes(facts: Facts) -> int | None:
    """Memory that a worker could have now."""
    return min((size for size in (facts.available_bytes, facts.limit_bytes) if size is not None), default=None)


def _memory_controller(patient: Patient, facts: Facts) -> Finding | None:
    if facts.memory_controller is not False:
        return None
    fix = "add cgroup_enable=memory to the line that it boots with, and restart it: picluster provision"
    what = "its kernel does not bound memory: control groups lack the memory controller"
    return _found(patient, "cgroup", "warning", what, fix)


def _disk(patient: Patient, facts: Facts) -> Finding | None:
    if facts.read_only:
        what = "its disk takes nothing: it is mounted read-only"
        return _found(
            patient, "disk", "problem", what, "see dmesg there: the card may be dying; else mount -o remount,rw /"
        )
    told = any(isinstance(error, DataError) for error in patient.errors.values())
    if told or facts.free_bytes is None or facts.free_bytes >= DATA_BYTES:
        return None
    what = f"only {facts.free_bytes >> 20} MiB of its disk are free: too few for a large graph"
    return _found(patient, "disk", "warning", what, "free space there: sudo apt clean, old graphs in the cache")


def _governor(patient: Patient, facts: Facts) -> Finding | None:
    if facts.governor != "powersave":
        return None
    fix = "set another governor for good: picluster provision"
    return _found(patient, "governor", "warning", "its processor is kept at its lowest speed (powersave)", fix)


def _temperature(patient: Patient, facts: Facts) -> Finding | None:
    if facts.celsius is None or facts.celsius < HOT_CELSIUS:
        return None
    what = f"its processor has {facts.celsius:.0f} °C; it slows down from 80 on"
    return _found(patient, "temperature", "warning", what, "a heat sink or a fan, and air")


def _power(patient: Patient, facts: Facts) -> Finding | None:
    word = _gravest(facts, _POWER)
    fix = "the official power supply, and a short, thick cable"
    return None if word is None else _found(patient, "power", "warning", f"its supply voltage {word}", fix)


def _heat(patient: Patient, facts: Facts) -> Finding | None:
    word = _gravest(facts, _HEAT)
    return (
        None
        if word is None
        else _found(patient, "throttled", "warning", f"its processor {word}", "a heat sink or a fan; good power")
    )


def _gravest(facts: Facts, words: dict[int, str]) -> str | None:
    return next((word for bit, word in words.items() if (facts.throttled or 0) >> bit & 1), None)


def _swap(patient: Patient, facts: Facts) -> Finding | None:
    if not facts.swaps_on_card:
        return None
    place = facts.swaps_on_card[0]
    what = f"it swaps to its SD card ({place}), which is slow and wears the card out"
    return _found(
        patient, "swap", "warning", what, "swap to zram instead: sudo apt install zram-tools, and swapoff this"
    )


def _packages(patient: Patient, facts: Facts) -> Finding | None:
    if not facts.package_locks:
        return None
    what = f"{', '.join(facts.package_locks)} is installing packages there"
    return _found(patient, "apt", "warning", what, "wait for its end before installing or measuring")


RULES: tuple[Rule, ...] = (
    *(_system, _python, _torch, _memory, _memory_controller, _disk, _sudo, _name, _clock, _governor, _temperature),
    *(_power, _heat, _swap, _packages),
)
