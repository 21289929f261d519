"""Facts of machines, read from folders that look like theirs."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from picluster.agent import examiner
from picluster.controller.nodes.agent_session import BOOT, program_text
from picluster.schema.agent import Examine, Question, TellTime
from picluster.schema.health import Facts
from picluster.schema.record import to_json

LOCKED = "1: POSIX  ADVISORY  WRITE 812 08:02:{inode} 0 EOF\n"


def machine(root: Path, files: Mapping[str, str]) -> Path:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


def test_a_program_of_the_standard_library_alone_tells_facts_that_fit_the_record(tmp_path: Path) -> None:
    questions: list[Question[Any]] = [TellTime(), Examine(folder=str(tmp_path))]
    text = program_text("examiner")
    told = subprocess.run(
        [sys.executable, "-I", "-S", "-c", BOOT],
        input=f"{len(text)}\n".encode() + text + b"".join(to_json(each) + b"\n" for each in questions),
        capture_output=True,
        check=True,
        timeout=240,
    )
    time, facts = told.stdout.splitlines()
    assert TellTime().read_answer(time).time > 1e9
    read = questions[1].read_answer(facts)
    assert isinstance(read, Facts)
    assert (read.bits, read.machine) == (64, os.uname().machine)
    assert read.free_bytes
    assert read.available_bytes


def test_what_a_machine_does_not_have_is_no_fact(tmp_path: Path) -> None:
    assert examiner.governor(tmp_path) is None
    assert examiner.celsius(tmp_path) is None
    assert examiner.memory_controller(tmp_path) is None
    assert examiner.package_locks(tmp_path) == []


@pytest.mark.parametrize(
    ("driver", "told"),
    [("cpufreq-dt", "powersave"), ("intel_pstate", None), ("amd-pstate-epp", None)],
)
def test_powersave_is_told_only_of_drivers_where_it_means_the_lowest_speed(
    tmp_path: Path, driver: str, told: str | None
) -> None:
    cpufreq = "sys/devices/system/cpu/cpu0/cpufreq"
    root = machine(tmp_path, {f"{cpufreq}/scaling_driver": driver, f"{cpufreq}/scaling_governor": "powersave\n"})
    assert examiner.governor(root) == told


def test_the_processor_s_temperature_counts_where_there_is_one(tmp_path: Path) -> None:
    zones = "sys/class/thermal/thermal_zone"
    root = machine(tmp_path, {f"{zones}0/type": "acpitz\n", f"{zones}0/temp": "90000\n"})
    assert examiner.celsius(root) == 90.0
    machine(tmp_path, {f"{zones}1/type": "cpu-thermal\n", f"{zones}1/temp": "48312\n"})
    assert examiner.celsius(root) == pytest.approx(48.312)


@pytest.mark.parametrize(
    ("files", "can"),
    [
        ({"sys/fs/cgroup/cgroup.controllers": "cpu io memory pids\n"}, True),
        ({"sys/fs/cgroup/cgroup.controllers": "cpu io pids\n", "proc/cgroups": "memory\t0\t70\t0\n"}, False),
        ({"proc/cgroups": "cpu\t3\t70\t1\nmemory\t4\t70\t1\n"}, True),
    ],
    ids=["version 2", "a Pi where it is switched off", "version 1"],
)
def test_whether_the_kernel_can_bound_memory(tmp_path: Path, files: dict[str, str], can: bool) -> None:
    assert examiner.memory_controller(machine(tmp_path, files)) is can


def test_only_devices_tell_the_speed_of_their_link(tmp_path: Path) -> None:
    net = "sys/class/net"
    files = {
        f"{net}/eth0/device/uevent": "",
        f"{net}/eth0/speed": "100\n",
        f"{net}/eth0/duplex": "half\n",
        f"{net}/veth0/speed": "10000\n",
        f"{net}/wlan0/device/uevent": "",
        f"{net}/wlan0/wireless/x": "",
        f"{net}/eth1/device/uevent": "",
        f"{net}/eth1/speed": "-1\n",
    }
    found = examiner.interfaces(machine(tmp_path, files), ["eth0", "veth0", "wlan0", "eth1"])
    assert found["eth0"] == {"speed_mbit": 100, "wireless": False, "half_duplex": True}
    assert found["veth0"]["speed_mbit"] is None
    assert found["wlan0"] == {"speed_mbit": None, "wireless": True, "half_duplex": False}
    assert found["eth1"]["speed_mbit"] is None


def test_swap_on_an_sd_card_is_known_by_its_device(tmp_path: Path) -> None:
    assert examiner.on_card(tmp_path, "/dev/mmcblk0p3")
    assert not examiner.on_card(tmp_path, "/dev/zram0")
    assert not examiner.on_card(machine(tmp_path, {"var/swap": ""}), "/var/swap")


def test_who_holds_a_lock_of_dpkg_is_named(tmp_path: Path) -> None:
    lock = "var/lib/dpkg/lock-frontend"
    root = machine(tmp_path, {lock: "", "proc/812/comm": "unattended-upgr\n"})
    machine(root, {"proc/locks": LOCKED.format(inode=(root / lock).stat().st_ino)})
    assert examiner.package_locks(root) == ["unattended-upgr"]
    machine(root, {"proc/locks": LOCKED.format(inode=1)})
    assert examiner.package_locks(root) == []


def test_a_real_lock_is_read_as_the_kernel_lists_it(tmp_path: Path) -> None:
    file = tmp_path / "var/lib/dpkg/lock"
    machine(tmp_path, {"var/lib/dpkg/lock": "", f"proc/{os.getpid()}/comm": "apt-get\n"})
    with file.open("w") as stream:
        fcntl.lockf(stream, fcntl.LOCK_EX)
        machine(tmp_path, {"proc/locks": Path("/proc/locks").read_text()})
    assert examiner.package_locks(tmp_path) == ["apt-get"]
