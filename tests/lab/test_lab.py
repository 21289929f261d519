"""Virtual Pis, as real as they are said to be."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.lab.running import RunningLab, lab_command

pytestmark = pytest.mark.lab

GIB = 1 << 30
WORKER = "/opt/picluster/.venv/bin/picluster-worker"
PYTHON = "/opt/picluster/.venv/bin/python"
RECEIVE = """
import socket, time
with socket.create_server(("0.0.0.0", 5001)) as server:
    connection, _ = server.accept()
    began, size = time.monotonic(), 0
    while chunk := connection.recv(1 << 16):
        size += len(chunk)
    print(size * 8 / (time.monotonic() - began))
"""
SEND = """
import socket, sys, time
for _ in range(100):
    try:
        connection = socket.create_connection((sys.argv[1], 5001))
        break
    except ConnectionRefusedError:
        time.sleep(0.05)
connection.sendall(bytes(8 << 20))
"""
READ_AT_RANDOM = """
import os, random, sys, time
with open("blob", "wb") as file:
    file.write(os.urandom(64 << 20))
    os.fsync(file.fileno())
file = os.open("blob", os.O_RDONLY)
os.posix_fadvise(file, 0, 0, os.POSIX_FADV_DONTNEED)
os.posix_fadvise(file, 0, 0, os.POSIX_FADV_RANDOM)
began, pages = time.monotonic(), random.sample(range(1 << 14), 3000)
for page in pages:
    os.pread(file, 4096, page << 12)
print(len(pages) / (time.monotonic() - began))
"""


def test_a_node_is_a_machine_of_its_own(lab: RunningLab) -> None:
    for node, address in lab.addresses.items():
        said = lab.ssh(node, "hostname; systemctl is-system-running --wait; hostname -I; sudo -n id -u").stdout
        assert said.split() == [node, "running", address, "0"]
        assert lab.ssh(node, "getent hosts $(hostname)").stdout.startswith("127.0.1.1")


def test_interfaces_are_named_differently(lab: RunningLab) -> None:
    names = [list(node["addresses"]) for node in lab.status()["nodes"]]
    assert names == [["eth0"], ["end0"], ["enp1s0"], ["wlan0"]]


def test_a_worker_runs_in_a_node_as_the_controller_has_it(lab: RunningLab) -> None:
    version = subprocess.run(
        [sys.executable, "-m", "picluster.worker.main", "--version"],
        capture_output=True,
        text=True,
        check=True,
        timeout=240,
    )
    assert lab.ssh("pi1", f"{WORKER} --version").stdout == version.stdout
    said = lab.ssh("pi2", f"{PYTHON} -c 'import torch; print((torch.ones(3) @ torch.ones(3)).item())'")
    assert said.stdout.strip() == "3.0"
    assert Path(lab.ssh("pi1", f"head -1 {WORKER}").stdout.strip().removeprefix("#!")) == Path(PYTHON)


def test_the_memory_limit_is_seen_and_enforced(lab: RunningLab) -> None:
    limit = "from picluster.worker.measuring.memory import memory_limit; print(memory_limit())"
    assert int(lab.ssh("pi1", f'{PYTHON} -c "{limit}"').stdout) == GIB
    greedy = lab.ssh("pi1", "python3 -c 'bytearray(3 << 30)'; echo $?")
    assert greedy.stdout.strip() == "137"
    assert lab.ssh("pi2", "python3 -c 'bytearray(600 << 20)'; echo $?").stdout.strip() == "0"


@pytest.mark.quiet
def test_half_a_core_is_half_a_core(lab: RunningLab) -> None:
    work = (
        "import time\nbegan, spent = time.monotonic(), time.process_time()\n"
        "while time.process_time() < spent + 1: pass\nprint(time.monotonic() - began)"
    )
    assert float(lab.ssh("pi3", f"python3 -c '{work}'").stdout) > 1.7


def test_nodes_reach_each_other_and_the_host(lab: RunningLab) -> None:
    host = lab.status()["host_address"]
    for there in (*lab.addresses.values(), host):
        connect = f"import socket; socket.create_connection(('{there}', 22), timeout=5)"
        code = lab.ssh("pi4", f'python3 -c "{connect}"; echo $?').stdout.strip()
        assert code == "0" or there == host  # the host may run no sshd


def test_ansible_and_yamllint_take_the_inventory(lab: RunningLab) -> None:
    programs = Path(sys.executable).parent
    subprocess.run([str(programs / "yamllint"), "--strict", str(lab.inventory)], check=True, timeout=240)
    ping = [str(programs / "ansible"), "-i", str(lab.inventory), "picluster", "-m", "ansible.builtin.ping"]
    environment = {**os.environ, "LC_ALL": "C.UTF-8"}
    done = subprocess.run(ping, check=True, capture_output=True, text=True, env=environment, timeout=240)
    assert done.stdout.count("SUCCESS") == 4
    assert lab.status()["inventory"] == str(lab.inventory)


def test_up_again_changes_nothing_and_mends_what_is_broken(lab: RunningLab) -> None:
    leader = lab.leader("pi1")
    lab_command("break", "pi2", "--kill", "--name", lab.name)
    lab_command("break", "pi3", "--freeze", "--name", lab.name)
    said = lab_command("up", "--name", lab.name).stdout
    assert "pi2: booted" in said
    assert "pi3: goes on" in said
    assert set(lab.states().values()) == {"running"}
    assert lab.leader("pi1") == leader


def test_a_lab_with_other_settings_is_refused(lab: RunningLab) -> None:
    refused = lab_command("up", "--name", lab.name, "--memory", "512MiB", check=False)
    assert refused.returncode == 2
    assert f"picluster lab down --name {lab.name}" in refused.stderr


@pytest.mark.quiet
def test_nodes_like_real_pis_have_their_means(other_name: str) -> None:
    lab_command("up", "--name", other_name, "--like", "zero2w,pi4", "--second-interface")
    lab = RunningLab(other_name)
    memory = [node["memory_limit_bytes"] >> 20 for node in lab.status()["nodes"]]
    assert memory == [416, 3792]
    assert [list(node["addresses"]) for node in lab.status()["nodes"]] == [["eth0", "wlan0"], ["end0", "eth1"]]
    for receiver, sender in (("pi1", "pi2"), ("pi2", "pi1")):
        rate = _transfer(lab, receiver, sender, lab.status()["nodes"][int(receiver[-1]) - 1]["addresses"])
        assert rate < 42e6  # what a Zero 2 W's wireless link takes, in both directions
    assert float(lab.ssh("pi1", f"python3 -c '{READ_AT_RANDOM}'").stdout) < 1500 * 1.2


def test_nodes_with_files_of_their_own_each_pay_for_the_pages_that_they_read(other_name: str) -> None:
    lab_command("up", "--name", other_name, "--nodes", "2", "--fresh", "--own-files")
    lab = RunningLab(other_name)
    for number, node in enumerate(lab.addresses):
        before = lab.status()["nodes"][number]["memory_bytes"]
        size = int(lab.ssh(node, "cat /usr/lib/*/*.so* | wc -c").stdout)
        assert size > 20 << 20
        assert lab.status()["nodes"][number]["memory_bytes"] - before > size / 2


def _transfer(lab: RunningLab, receiver: str, sender: str, addresses: dict[str, str]) -> float:
    """Bits per second, over the receiver's second interface."""
    enter = ["nsenter", f"--target={lab.leader(receiver)}", "--net", sys.executable, "-c", RECEIVE]
    with subprocess.Popen(enter, stdout=subprocess.PIPE, text=True) as listening:
        lab.in_node(sender, ["python3", "-c", SEND, list(addresses.values())[1]])
        said, _ = listening.communicate(timeout=240)
    return float(said)


@dataclass(frozen=True)
class SudoLab:
    """A lab of one bare node that a person made by sudo, and this machine's addresses and routes before."""

    lab: RunningLab
    network_before: list[str]


@pytest.fixture(scope="module")
def sudo_lab(_can_have_labs: None) -> Iterator[SudoLab]:
    name = f"u{os.getpid()}"  # no test below takes `other_name`, which is the same
    before = _host_network(name)
    sudo = {"SUDO_UID": "65534", "SUDO_GID": "65534"}
    lab_command("up", "--name", name, "--nodes", "1", "--fresh", environment=sudo)
    yield SudoLab(RunningLab(name), before)
    lab_command("down", "--name", name)


def test_fresh_nodes_are_bare(sudo_lab: SudoLab) -> None:
    lab = sudo_lab.lab
    assert lab.ssh("pi1", "sudo -n python3 -c 'print(1)'").stdout == "1\n"
    assert lab.ssh("pi1", "command -v rsync || ls /opt/picluster", check=False).returncode != 0


def test_what_sudo_made_belongs_to_the_person(sudo_lab: SudoLab) -> None:
    places = sudo_lab.lab.places
    for file in (places.key, places.inventory, places.known_hosts):
        assert file.stat().st_uid == 65534
    assert places.key.stat().st_mode & 0o777 == 0o600
    status = [
        "setpriv",
        "--reuid=65534",
        "--regid=65534",
        "--clear-groups",
        "cat",
        str(places.inventory),
        str(places.spec),
    ]
    subprocess.run(status, check=True, capture_output=True, timeout=240)


def test_the_hosts_addresses_and_routes_are_not_touched(sudo_lab: SudoLab) -> None:
    name, before = sudo_lab.lab.name, sudo_lab.network_before
    assert _host_network(name) == before
    lab_command("down", "--name", name)
    assert _host_network(name) == before


def _host_network(apart_from: str) -> list[str]:
    found = []
    for what in ("address", "route"):
        words = ["ip", "-json", "-4", what, "show"]
        listed = json.loads(subprocess.run(words, check=True, capture_output=True, text=True, timeout=240).stdout)
        found += [json.dumps(each) for each in listed]
    volatile = re.compile(r'"(valid|preferred)_life_time": \d+')
    return sorted(volatile.sub("", each) for each in found if f"plab-{apart_from}" not in each)
