"""What is said of a node before anything is changed on it."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from picluster.agent import claims, control_groups

LOOK = Path(__file__).parents[3] / "ansible/library/preflight_look.py"
WANTS = {
    "home": "/opt/picluster",
    "torch_version": "2.9.1",
    "memory_mib": 400,
    "disk_mib": 2500,
    "installed_disk_mib": 500,
}
PI4 = {
    "machine": "aarch64",
    "architecture": "arm64",
    "distribution": "debian",
    "version": "12",
    "system": "Debian GNU/Linux 12 (bookworm)",
    "python_version": "3.11",
    "memory_mib": 3800,
    "free_disk_mib": 20000,
    "is_installed": False,
    "has_atomics": False,
    "runs": [],
    "is_read_only": False,
}
LOOPBACK = {"flags": ["LOOPBACK", "UP"], "addr_info": [{"family": "inet", "local": "127.0.0.1"}]}
WIRE = {"flags": ["UP"], "addr_info": [{"family": "inet", "local": "10.0.0.1"}]}
WIRELESS = {
    "flags": ["UP"],
    "addr_info": [{"family": "inet", "local": "192.168.1.5"}, {"family": "inet6", "local": "fe80::5"}],
}


@pytest.fixture
def module(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """As Ansible ships it, with the files that module_utils point to."""
    for util in (claims, control_groups):
        monkeypatch.setitem(sys.modules, f"ansible.module_utils.{util.__name__.rpartition('.')[2]}", util)
    spec = importlib.util.spec_from_file_location("preflight_look", LOOK)
    assert spec is not None
    assert spec.loader is not None
    loaded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    return loaded


def test_module_utils_are_the_nodes_own_programs() -> None:
    assert (LOOK.parents[1] / "module_utils/control_groups.py").samefile(control_groups.__file__)


def test_nothing_is_said_against_a_node_that_can_train(module: ModuleType) -> None:
    assert module.reasons(PI4, WANTS) == []
    ubuntu = {"distribution": "ubuntu", "version": "24.04", "python_version": "3.12"}
    assert module.reasons(PI4 | ubuntu | {"machine": "x86_64", "architecture": "amd64"}, WANTS) == []


@pytest.mark.parametrize(
    ("flaw", "reason"),
    [
        ({"architecture": "armhf"}, "the system is 32-bit (armhf) under a 64-bit kernel (aarch64): flash the 64-bit"),
        ({"architecture": "armhf", "machine": "armv7l"}, "the system is 32-bit (armhf): flash the 64-bit image"),
        ({"machine": "riscv64", "architecture": "riscv64"}, "its processor is riscv64: picluster needs aarch64 or"),
        ({"version": "11"}, "it runs Debian GNU/Linux 12 (bookworm): flash Ubuntu 24.04, Debian 12, Raspberry Pi OS"),
        ({"version": ""}, "it runs "),
        ({"distribution": "ubuntu", "version": "22.04"}, "it runs "),
        ({"distribution": "fedora", "version": "42", "architecture": ""}, "it runs "),
        ({"python_version": "3.10"}, "its /usr/bin/python3 is 3.10: picluster needs 3.11 to 3.14"),
        ({"python_version": "3.15"}, "its /usr/bin/python3 is 3.15"),
        ({"python_version": ""}, "its /usr/bin/python3 is not there"),
        ({"memory_mib": 399}, "it has 399 MiB of memory: training needs 400 MiB"),
        ({"free_disk_mib": 2499}, "2499 MiB are free where /opt/picluster lies, 2500 MiB are needed"),
        ({"is_read_only": True}, "/opt/picluster/.venv is read-only: the ready nodes of a lab are like that"),
        ({"runs": ["x"]}, "run x trains there: wait for its end, or end it: picluster stop x"),
        ({"free_disk_mib": 499, "is_installed": True}, "499 MiB are free where /opt/picluster lies, 500 MiB are"),
    ],
)
def test_a_flaw_is_named_with_its_values(module: ModuleType, flaw: dict[str, Any], reason: str) -> None:
    (said,) = module.reasons(PI4 | flaw, WANTS)
    assert said.startswith(reason)


def test_where_it_is_installed_less_room_will_do(module: ModuleType) -> None:
    assert module.reasons(PI4 | {"free_disk_mib": 600, "is_installed": True}, WANTS) == []


@pytest.mark.parametrize(
    ("torch", "has_atomics", "refused"),
    [("2.9.1", False, False), ("2.10.0", False, True), ("2.13.0+cpu", False, True), ("2.13.0", True, False)],
)
def test_a_torch_that_would_die_on_the_processor_is_refused(
    module: ModuleType, torch: str, has_atomics: bool, refused: bool
) -> None:
    said = module.reasons(PI4 | {"has_atomics": has_atomics}, WANTS | {"torch_version": torch})
    assert ["SIGILL" in reason for reason in said] == [True] * refused
    x86 = PI4 | {"machine": "x86_64", "architecture": "amd64"}
    assert module.reasons(x86, WANTS | {"torch_version": torch}) == []


def test_all_reasons_are_told_at_once(module: ModuleType) -> None:
    flaws = {"architecture": "armhf", "python_version": "3.9", "memory_mib": 100, "free_disk_mib": 10}
    assert len(module.reasons(PI4 | flaws, WANTS | {"torch_version": "2.13.0"})) == 5


@pytest.mark.parametrize(
    ("entered_at", "interfaces", "address"),
    [
        ("10.0.0.1", [], "10.0.0.1"),
        ("fe80::5", [LOOPBACK, WIRE, WIRELESS], "192.168.1.5"),
        ("fe80::6", [LOOPBACK, WIRE], "10.0.0.1"),
        ("", [LOOPBACK, WIRE], "10.0.0.1"),
        ("", [LOOPBACK], ""),
    ],
)
def test_a_nodes_address_is_where_ssh_arrived_or_beside_it(
    module: ModuleType, entered_at: str, interfaces: list[Any], address: str
) -> None:
    assert module.address({"entered_at": entered_at}, interfaces) == address


def _interface(*networks: str) -> dict[str, Any]:
    infos = [
        dict(zip(("local", "prefixlen"), (each.partition("/")[0], int(each.partition("/")[2])), strict=True))
        for each in networks
    ]
    return {"flags": ["UP"], "addr_info": infos}


@pytest.mark.parametrize(
    ("came_from", "network"),
    [
        ("192.168.1.77", "192.168.0.0/22"),
        ("::ffff:192.168.1.77", "192.168.0.0/22"),
        ("10.0.0.9", "10.0.0.0/24"),
        ("2001:db8:1:2::9", "2001:db8:1:2::/64"),
        ("fe80::9", "fe80::/64"),
        ("172.16.5.5", ""),
        ("2001:db8:1:3::9", ""),
        ("100.64.0.1", ""),
        ("", ""),
        ("UNKNOWN", ""),
    ],
    ids=["v4", "v4 in v6", "another port", "v6", "link", "routed", "routed v6", "point to point", "no ssh", "hidden"],
)
def test_the_network_that_ssh_came_from_is_one_of_the_nodes_own_or_unknown(
    module: ModuleType, came_from: str, network: str
) -> None:
    interfaces = [
        {"flags": ["LOOPBACK"], "addr_info": [{"local": "172.16.5.5", "prefixlen": 8}]},
        _interface("10.0.0.1/24"),
        _interface("192.168.1.5/22", "2001:db8:1:2::5/64", "fe80::5/64"),
        _interface("100.64.0.2/32"),
    ]
    facts = {"entered_from": came_from, "entered_at": "192.168.1.5"}
    assert module.network(facts, interfaces) == network


def test_of_networks_that_overlap_the_one_is_taken_in_which_ssh_arrived(module: ModuleType) -> None:
    interfaces = [_interface("10.0.0.1/8"), _interface("10.1.0.1/16")]
    assert module.network({"entered_from": "10.1.0.9", "entered_at": "10.1.0.1"}, interfaces) == "10.1.0.0/16"


def test_a_machine_is_read_as_it_is(module: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = {
        "etc/os-release": 'ID=ubuntu\nVERSION_ID="24.04"\nPRETTY_NAME="Ubuntu 24.04.3 LTS"\n',
        "proc/meminfo": "MemTotal:        3884480 kB\nMemFree: 1 kB\n",
        "proc/cpuinfo": "Features\t: fp asimd evtstrm crc32 atomics fphp cpuid\n",
        "proc/self/cgroup": "0::/\n",
        "sys/fs/cgroup/memory.max": f"{1 << 30}\n",
        "proc/device-tree/model": "Raspberry Pi 5 Model B Rev 1.0\0",
        "opt/picluster/.venv/bin/picluster-worker": "",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    monkeypatch.setenv("SSH_CONNECTION", "fe80::1%eth0 51234 fe80::2%eth0 2222")
    facts = module.look(tmp_path, "/opt/picluster")
    told = {
        "distribution": "ubuntu",
        "version": "24.04",
        "memory_mib": 1024,
        "has_atomics": True,
        "model": "Raspberry Pi 5 Model B Rev 1.0",
        "is_installed": True,
        "entered_from": "fe80::1",
        "entered_at": "fe80::2",
        "entered_port": 2222,
    }
    assert {name: facts[name] for name in told} == told


def test_a_machine_that_tells_nothing_is_read_too(
    module: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SSH_CONNECTION", raising=False)
    facts = module.look(tmp_path, "/opt/picluster")
    told = (facts["entered_at"], facts["entered_from"], facts["entered_port"], facts["model"], facts["memory_mib"])
    assert told == ("", "", 22, "unknown", 0)
