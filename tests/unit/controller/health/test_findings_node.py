"""What the doctor makes of a node's facts: nothing of one in good health, one finding with one fix for each fault."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from picluster.controller.health.findings_node import about
from picluster.errors import DataError
from picluster.schema.health import TorchTrial
from tests.unit.controller.healthy import GIB, SEEN, VERSIONS, WORKS, a_patient

MIB = 1 << 20
WARNED = "warning"
SICK: list[tuple[str, str, str, dict[str, Any]]] = [
    ("system", "problem", "32-bit", {"bits": 32}),
    ("memory", "problem", "only 100 MiB of memory are left, and its worker", {"available_bytes": 100 * MIB}),
    ("memory", WARNED, "only 200 MiB", {"available_bytes": 200 * MIB}),
    ("memory", WARNED, "only 200 MiB", {"limit_bytes": 200 * MIB}),
    ("cgroup", WARNED, "lack the memory controller", {"memory_controller": False}),
    ("disk", "problem", "read-only", {"read_only": True}),
    ("disk", WARNED, "only 300 MiB of its disk", {"free_bytes": 300 * MIB}),
    ("sudo", WARNED, "asks for a password", {"sudo": False}),
    ("name", "note", "resolves to 127.0.1.1", {"name_addresses": ("127.0.1.1",)}),
    ("name", WARNED, "takes over 3 s", {"name_addresses": None}),
    ("governor", WARNED, "powersave", {"governor": "powersave"}),
    ("temperature", WARNED, "81 °C", {"celsius": 81.2}),
    ("power", WARNED, "voltage is too low", {"throttled": 0x50005}),
    ("power", WARNED, "voltage has been too low", {"throttled": 0x10000}),
    ("throttled", WARNED, "is slowed down now", {"throttled": 0x4}),
    ("throttled", WARNED, "has been slowed down", {"throttled": 0x40000}),
    ("swap", WARNED, "/dev/mmcblk0p3", {"swaps_on_card": ("/dev/mmcblk0p3",)}),
    ("apt", WARNED, "unattended-upgr is installing", {"package_locks": ("unattended-upgr",)}),
]


def test_a_machine_without_firmware_governor_or_thermometer_is_in_good_health() -> None:
    absent = {"board": None, "governor": None, "celsius": None, "throttled": None, "memory_controller": None}
    assert about(a_patient(facts={**absent, "atomics": None, "interfaces": {}})) == []


@pytest.mark.parametrize(("check", "severity", "words", "facts"), SICK, ids=[each[2] for each in SICK])
def test_each_fault_is_told_with_its_gravity_and_a_fix(
    check: str, severity: str, words: str, facts: dict[str, Any]
) -> None:
    found = {finding.check: finding for finding in about(a_patient(facts=facts))}
    assert found[check].severity == severity
    assert words in found[check].what
    assert found[check].fix
    assert found[check].nodes == ("pi1",)


def test_a_pi_that_has_swap_may_have_little_memory() -> None:
    found = about(a_patient(facts={"available_bytes": 100 * MIB, "swap_free_bytes": GIB}))
    assert [finding.severity for finding in found] == [WARNED]


def test_memory_that_cannot_hold_a_node_s_part_of_the_graph_is_told_with_the_numbers() -> None:
    (finding,) = about(a_patient(data_bytes=458 * MIB, facts={"available_bytes": 500 * MIB}))
    assert finding.what == "500 MiB of memory are left; its worker takes 122, its part of the graph 458"
    assert about(a_patient(data_bytes=300 * MIB, facts={"available_bytes": 500 * MIB})) == []
    (finding,) = about(a_patient(worker_bytes=600 * MIB, facts={"available_bytes": 500 * MIB}))
    assert finding.what == "only 500 MiB of memory are left, and its worker takes 600", "as the plan expects"


@pytest.mark.parametrize(
    ("trial", "what", "fix"),
    [
        (
            {"step": "multiplying", "signal": "SIGILL"},
            "torch 2.10.0 dies while multiplying: the processor lacks instructions (SIGILL)",
            "install torch 2.9.1",
        ),
        (
            {"step": "importing torch", "signal": "SIGKILL"},
            "torch is killed while importing torch: there is no memory left",
            "end other programs",
        ),
        (
            {"step": "importing the worker", "error": "ModuleNotFoundError: No module named 'msgspec'"},
            "importing the worker fails: ModuleNotFoundError: No module named 'msgspec'",
            "install it anew there: picluster provision",
        ),
        (
            {"step": "", "error": "/x/python: No such file"},
            "starting its python fails: /x/python",
            "install it anew there: picluster provision",
        ),
    ],
)
def test_torch_that_does_not_work_makes_a_node_unusable(trial: dict[str, str], what: str, fix: str) -> None:
    told = TorchTrial(**{"signal": None, "error": "", "versions": {}, **trial})  # type: ignore[arg-type]
    seen = msgspec.structs.replace(SEEN, torch="2.10.0")
    (finding,) = about(a_patient(torch=told, seen=seen))
    assert (finding.check, finding.severity) == ("torch", "problem")
    assert finding.what.startswith(what)
    assert finding.fix.startswith(fix)


@pytest.mark.parametrize(
    ("torch", "atomics", "refused"),
    [("2.10.0", False, True), ("2.13.0+cpu", False, True), ("2.9.1", False, False), ("2.10.0", True, False)],
)
def test_torch_that_needs_atomics_is_refused_where_there_are_none(torch: str, atomics: bool, refused: bool) -> None:
    trial = msgspec.structs.replace(WORKS, versions={**VERSIONS, "torch": torch})
    found = about(a_patient(torch=trial, facts={"atomics": atomics}))
    assert bool(found) is refused
    assert all(finding.severity == "problem" and "atomics" in finding.what for finding in found)


@pytest.mark.parametrize(("skew", "words"), [(75.04, "75.0 s ahead of"), (-3600.0, "3,600.0 s behind"), (1.5, "")])
def test_a_clock_that_is_wrong_is_told_with_its_direction(skew: float, words: str) -> None:
    found = about(a_patient(clock_seconds=skew))
    assert [words in finding.what for finding in found] == [True] * bool(words)


def test_an_old_python_matters_only_where_picluster_is_not_installed_yet() -> None:
    old = {"python": "3.9.2"}
    assert about(a_patient(facts=old)) == []
    bare = a_patient(facts=old, seen=msgspec.structs.replace(SEEN, worker=None), torch=None)
    assert [finding.check for finding in about(bare)] == ["python"]


def test_a_disk_that_is_too_full_is_told_once() -> None:
    full = DataError("its disk is too full", fix="free space there")
    found = about(a_patient(errors={"fit": full}, facts={"free_bytes": 0}))
    assert [finding.check for finding in found] == ["fit"]


def test_sudo_and_names_of_this_machine_do_not_matter_to_local_nodes() -> None:
    facts = {"sudo": False, "name_addresses": ("127.0.0.1",)}
    assert about(a_patient(local=True, seen=None, clock_seconds=None, facts=facts)) == []
