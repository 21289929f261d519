"""Emulated Pi 4s, made ready by Ansible as real ones are, and training: what x86 machines cannot tell, such as a torch
that dies of an instruction. `--durations=0` shows how long each phase took; the first one is in the first test's setup.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from picluster.controller.record.run_folder import RunFolder
from picluster.errors import MissingError
from picluster.lab.kernel.commands import check_programs
from picluster.lab.machine.emulation import end_emulation_without_labs
from tests.integration.desk import losses
from tests.lab.running import RunningLab, chosen_release, lab_command, remove_stale_labs, unable
from tests.lab.shelf import Shelf, make_shelf

pytestmark = [pytest.mark.emulated, pytest.mark.timeout(7200)]

NODES = ["pi1", "pi2"]
TORCH = "2.9.1"
PROVISION_TIMEOUT_SECONDS = 5400
LAUNCH_TIMEOUT_SECONDS = 900
# AT_HWCAP of the kernel's auxiliary vector, and in it the bit of the instructions that a Pi 4 has not.
TELL = """import ctypes, os, platform
capabilities = ctypes.CDLL(None).getauxval
capabilities.restype = ctypes.c_ulong
print(platform.machine(), bool(capabilities(16) & 1 << 8))"""
# ldadd w1, w2, [x0]; ret: one of the atomic instructions.
ADD_ATOMICALLY = """import ctypes, mmap, struct
code = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
code.write(struct.pack("<II", 0xB8210002, 0xD65F03C0))
add = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(code)))
number = ctypes.c_int(1)
add(ctypes.addressof(number), 2)
print(number.value)"""
SIGILL_EXIT = 132


@pytest.fixture(scope="module")
def lab() -> Iterator[RunningLab]:
    """As if just flashed. Two processes with torch take more than the 1 GiB of other labs: qemu keeps translations."""
    if reason := unable() or _lacking():
        pytest.skip(reason)
    remove_stale_labs()
    name = f"u{os.getpid()}"
    kind = ["--fresh", "--emulate", *chosen_release()]
    lab_command("up", "--name", name, *kind, "--nodes", "2", "--cpus", "1", "--memory", "3GiB")
    yield RunningLab(name)
    lab_command("down", "--name", name)


def _lacking() -> str | None:
    try:
        check_programs(emulated=True)
    except MissingError as error:
        return str(error)
    return None


@pytest.fixture(scope="module")
def shelf(lab: RunningLab, tmp_path_factory: pytest.TempPathFactory) -> Shelf:
    return make_shelf(tmp_path_factory.mktemp("desk"), lab)


def _picluster(shelf: Shelf, *words: str, within_seconds: float) -> str:
    with shelf.desk.start(*words) as process:
        output, errors = process.communicate(timeout=within_seconds)
    assert process.returncode == 0, output + errors
    return output


def test_every_way_to_start_a_program_finds_a_pi_4_and_no_atomics(lab: RunningLab) -> None:
    lab.ssh("pi1", f"cat > tell.py << 'END'\n{TELL}\nEND")
    for way in ("", "sudo -n", "systemd-run --user --quiet --wait --pipe", "sudo -n systemd-run --quiet --wait --pipe"):
        assert lab.ssh("pi1", f"{way} python3 $HOME/tell.py").stdout.split() == ["aarch64", "False"], way
    shown = lab.ssh("pi1", "cat /proc/cpuinfo; systemctl is-system-running --wait").stdout
    assert "asimd" in shown
    assert "atomics" not in shown
    assert shown.endswith("\nrunning\n")


def test_an_instruction_that_a_pi_4_lacks_ends_the_program_as_there(lab: RunningLab) -> None:
    lab.ssh("pi1", f"cat > add.py << 'END'\n{ADD_ATOMICALLY}\nEND")
    assert lab.ssh("pi1", "QEMU_CPU=max python3 add.py").stdout == "3\n"
    assert lab.ssh("pi1", "python3 add.py; echo $?").stdout == f"{SIGILL_EXIT}\n"


def test_a_node_comes_back_after_a_reboot(lab: RunningLab) -> None:
    programs = Path(sys.executable).parent
    words = [str(programs / "ansible"), "-i", str(lab.inventory), "pi2", "--become", "-m", "ansible.builtin.reboot"]
    subprocess.run(words, check=True, env={**os.environ, "LC_ALL": "C.UTF-8"}, timeout=300)


def test_provisioning_makes_them_ready(shelf: Shelf) -> None:
    told = json.loads(_picluster(shelf, "provision", "--json", within_seconds=PROVISION_TIMEOUT_SECONDS))
    assert {node["name"]: node["state"] for node in told["nodes"]} == dict.fromkeys(NODES, "ready")


def test_two_processes_train_with_the_torch_of_a_pi_4(shelf: Shelf) -> None:
    words = ("--layers-per-node", "1", "--dataset", "reddit-like", "--scale", "0.003", "--epochs", "3")
    before = shelf.desk.runs()
    _picluster(shelf, "launch", *words, within_seconds=LAUNCH_TIMEOUT_SECONDS)
    (name,) = shelf.desk.runs() - before
    run = RunFolder(shelf.desk.folder / "runs" / name)
    hardware: dict[str, Any] = {node["name"]: node["hardware"] for node in shelf.report(run)["nodes"]}
    assert list(hardware) == NODES
    for found in hardware.values():
        assert found["model"] == "aarch64" or found["model"].startswith("ARMv8 "), "as qemu 7.2 or 10 shows it"
        assert found["torch"].partition("+")[0] == TORCH
    assert losses(run)[-1] < losses(run)[0]
    assert not shelf.busy()


def test_down_leaves_nothing(lab: RunningLab) -> None:
    lab_command("down", "--name", lab.name)
    assert not lab.places.folder.exists()
    assert not end_emulation_without_labs()
