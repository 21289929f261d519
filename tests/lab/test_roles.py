"""Ansible's roles on bare virtual Pis: preflight, base, network, firewall, ssh_hardening, and what undoes them.

The nodes have no internet: they get packages from a folder of their own. nft is this machine's, of the same release.
"""

from __future__ import annotations

import hashlib
import ipaddress
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest

from tests.lab.running import RunningLab, eventually, lab_command

pytestmark = pytest.mark.lab

FOLDER = Path(__file__).parents[2] / "ansible"
ANSIBLE_PLAYBOOK = Path(sys.executable).with_name("ansible-playbook")
PLAY_SECONDS = 800
SSH = "-o ControlMaster=auto -o ControlPersist=30s -o ServerAliveInterval=3 -o ServerAliveCountMax=2"
"""A killed node is found out soon, also where a connection is shared with an earlier play."""
OPEN_PORT = 47011
REPOSITORY = "/srv/trial"
SOURCE = f"deb [trusted=yes] file:{REPOSITORY} ./"
TELL = """
- hosts: picluster
  become: true
  gather_facts: false
  ignore_unreachable: true
  roles: [network, firewall]
"""
SITE = """
- hosts: "{{ picluster_chosen | default('picluster') }}"
  become: true
  gather_facts: false
  any_errors_fatal: true
  roles: [preflight]
- hosts: "{{ picluster_chosen | default('picluster') }}"
  become: true
  gather_facts: false
  roles: [base, ssh_hardening]
"""
SITE += TELL
RESET = """
- hosts: picluster
  become: true
  gather_facts: false
  tasks:
    - include_role: {name: preflight, tasks_from: reset}
    - include_role: {name: "{{ item }}", tasks_from: reset}
      loop: [firewall, network, ssh_hardening, base]
"""
INSTALL = """
- hosts: pi1
  become: true
  gather_facts: false
  tasks:
    - include_role: {name: base, tasks_from: install}
      vars: {base_install: [trial-late]}
"""
PACKAGES = {"trial-part": "", "trial": "trial-part", "trial-late": "trial-part", "popular": "trial-part"}
"""Each with what it depends on."""
KNOBS = {"base_packages": ["trial | nothing-such", "nftables"], "base_attempts": 1, "preflight_disk_mib": 100}
HOLD = (
    "import fcntl, sys, time; file = open(sys.argv[1], 'a+'); fcntl.{how}(file, fcntl.LOCK_EX); time.sleep({seconds})"
)
LISTEN = f"""
import socket
with socket.create_server(("", {OPEN_PORT})) as server:
    while True:
        server.accept()[0].close()
"""
STATE = "cat /etc/hosts; uname -n; nft list ruleset; dpkg-query -W; ls -R /etc/systemd /etc/ssh; sshd -T; ls /var/lib"


@dataclass(frozen=True)
class Recap:
    """How a play ended."""

    told: dict[str, Any]
    code: int

    def counts(self, what: str) -> dict[str, int]:
        """By node: how many tasks were `changed`, `failures`, `unreachable`."""
        return {node: counts[what] for node, counts in self.told["stats"].items()}

    @property
    def words(self) -> str:
        """All that was said, as one text."""
        return json.dumps(self.told["plays"])


Play = Callable[..., Recap]


@pytest.fixture(scope="module")
def shelf(_can_have_labs: None) -> Iterator[RunningLab]:
    """Two bare nodes. The second is called as the image has it."""
    name = f"t{os.getpid()}r"
    lab_command("up", "--name", name, "--nodes", "2", "--cpus", "1", "--fresh")
    lab = RunningLab(name)
    with tempfile.TemporaryDirectory() as folder:
        _make_repository(Path(folder))
        for node in lab.addresses:
            shutil.copytree(folder, f"{lab.places.node(node).root}{REPOSITORY}")
            lab.in_node(node, f"chmod 755 {REPOSITORY}; echo '{SOURCE}' > /etc/apt/sources.list")
    lab.in_node("pi2", "hostname raspberrypi; echo raspberrypi > /etc/hostname; sed -i s/pi2/raspberrypi/ /etc/hosts")
    yield lab
    lab_command("down", "--name", name)


@pytest.fixture(scope="module")
def play(shelf: RunningLab, tmp_path_factory: pytest.TempPathFactory) -> Play:
    """Runs a playbook on the shelf."""
    return partial(_play, shelf, tmp_path_factory.mktemp("plays"))


@pytest.fixture(scope="module")
def bare(shelf: RunningLab) -> str:
    """What a node is like before anything is done to it."""
    return shelf.in_node("pi1", STATE).stdout


@pytest.fixture(scope="module")
def checked(play: Play, shelf: RunningLab, bare: str) -> Recap:
    """A check of what would be done to bare nodes."""
    recap = play(SITE, "--check")
    assert shelf.in_node("pi1", STATE).stdout == bare
    return recap


@pytest.fixture(scope="module")
def ready(play: Play, shelf: RunningLab, checked: Recap) -> RunningLab:  # noqa: ARG001 -- it comes after the check
    """The nodes when all of it is done to them."""
    recap = play(SITE)
    assert recap.code == 0, recap.words
    return shelf


def test_a_check_of_bare_nodes_goes_through_and_changes_nothing(checked: Recap) -> None:
    assert checked.code == 0, checked.words
    assert all(checked.counts("changed").values())


def test_all_reasons_against_a_node_are_told_before_anything_is_done(play: Play, shelf: RunningLab, bare: str) -> None:
    with _sudo_asks(shelf, "pi1"):
        recap = play(SITE, preflight_memory_mib=5000, picluster_chosen="pi1")
    assert recap.counts("failures") == {"pi1": 1}
    assert "pi1: it has 1024 MiB of memory: training needs 5000 MiB; sudo asks for a password" in recap.words
    assert "picluster provision --limit 'all:!pi1'" in recap.words
    assert shelf.in_node("pi1", STATE).stdout == bare


def test_nodes_know_each_other_by_name_and_not_themselves_by_127_0_1_1(ready: RunningLab) -> None:
    for node in ready.addresses:
        assert ready.in_node(node, ["uname", "-n"]).stdout.strip() == node
        for other, address in ready.addresses.items():
            assert ready.in_node(node, ["getent", "hosts", other]).stdout.split() == [address, other]


def test_only_members_reach_a_nodes_ports_and_ssh_stays_open(ready: RunningLab) -> None:
    address = ready.addresses["pi1"]
    ready.in_node("pi1", f"setsid python3 -c '{LISTEN}' > /dev/null 2>&1 &")
    connect = f"import socket; socket.create_connection(('{address}', {OPEN_PORT}), timeout=2)"
    eventually(lambda: ready.ssh("pi2", f'python3 -c "{connect}"', check=False).returncode == 0)
    with pytest.raises(TimeoutError):
        socket.create_connection((address, OPEN_PORT), timeout=2)
    ready.in_node("pi1", "systemctl restart picluster-firewall")
    assert ready.ssh("pi1", "sudo sshd -T | grep -c '^passwordauthentication no'").stdout == "1\n"


def test_the_firewall_stays_off_for_one_who_was_shut_out(ready: RunningLab) -> None:
    restart = "systemctl restart picluster-firewall; nft list tables"
    assert ready.in_node("pi1", f"touch /boot/picluster-no-firewall; {restart}").stdout == ""
    assert "inet picluster" in ready.in_node("pi1", f"rm /boot/picluster-no-firewall; {restart}").stdout


def test_apts_timers_wait_for_the_end_of_a_run(ready: RunningLab) -> None:
    start = "systemctl start apt-daily.service; journalctl --sync; journalctl --unit apt-daily --output cat --lines 2"
    with _held(ready, "pi1", "/run/lock/picluster/7.json", "flock"):
        assert "Skipped due to 'exec-condition'" in ready.in_node("pi1", start).stdout
    assert "Finished Daily apt" in ready.in_node("pi1", start).stdout.replace("apt-daily.service - ", "")


def test_rules_that_shut_us_out_are_undone_by_the_node_itself(play: Play, ready: RunningLab) -> None:
    recap = play(TELL, network_controllers=[], network_networks=[], base_trial_seconds=10)
    assert "the node undoes /var/lib/picluster/firewall.nft" in recap.words
    assert ready.ssh("pi1", "sudo nft list tables").stdout == ""
    assert play(TELL).code == 0
    assert "inet picluster" in ready.ssh("pi1", "sudo nft list tables").stdout


@pytest.mark.thorough  # three plays: minutes
def test_the_network_that_the_person_comes_from_is_let_in_and_said_or_the_address_alone(
    play: Play, ready: RunningLab
) -> None:
    rules = "nft list table inet picluster"
    network = ipaddress.ip_interface(f"{ready.addresses['pi1']}/24").network
    assert f"ip saddr {network} tcp dport 22 accept" in ready.in_node("pi1", rules).stdout
    recap = play(TELL)
    assert recap.counts("changed") == {"pi1": 0, "pi2": 0}
    assert "who may enter by SSH: " in recap.words
    assert str(network) in recap.words
    assert play(TELL, firewall_ssh_entrance="address").code == 0
    tight = ready.in_node("pi1", rules).stdout
    assert str(network) not in tight
    assert "tcp dport 22 accept" in tight
    assert play(TELL).code == 0


@pytest.mark.thorough
def test_a_member_that_is_not_reached_keeps_its_place(play: Play, ready: RunningLab) -> None:
    with ready.broken("pi2", "--kill"):
        recap = play(TELL)
    assert recap.counts("changed")["pi1"] == 0
    assert ready.addresses["pi2"] in ready.in_node("pi1", "nft list table inet picluster").stdout


def test_an_installation_waits_for_apts_locks_and_mends_what_was_interrupted(play: Play, ready: RunningLab) -> None:
    ready.in_node("pi1", f"dpkg --unpack {REPOSITORY}/popular.deb")
    with _held(ready, "pi1", "/var/lib/apt/lists/lock", "lockf", seconds=8):
        recap = play(INSTALL)
    assert recap.code == 0, recap.words
    assert ready.in_node("pi1", "dpkg-query -W -f '${db:Status-Status}' popular").stdout == "installed"
    record = ready.in_node("pi1", "cat /var/lib/picluster/packages").stdout.split()
    assert record == ["nftables", "trial", "trial-late", "trial-part"]


def test_nothing_is_undone_under_a_run(play: Play, ready: RunningLab) -> None:
    with _held(ready, "pi1", "/run/lock/picluster/7.json", "flock"):
        recap = play(RESET, "--check")
    assert recap.counts("failures") == {"pi1": 1, "pi2": 0}
    assert "pi1: cora-abcd trains there: wait for its end, or end it: picluster stop cora-abcd" in recap.words


@pytest.mark.thorough  # of whole playbooks it is tried in `test_provision.py`
def test_a_reset_leaves_what_others_need_and_nothing_else(play: Play, ready: RunningLab, bare: str) -> None:
    assert play(RESET).code == 0
    left = ready.in_node("pi1", STATE).stdout.splitlines()
    assert sorted(set(left) ^ set(bare.splitlines())) == ["popular\t1", "trial-part\t1"]
    assert ready.in_node("pi2", ["uname", "-n"]).stdout == "raspberrypi\n"
    again = play(RESET)
    assert again.code == 0
    assert set(again.counts("changed").values()) == {0}


def _play(lab: RunningLab, folder: Path, playbook: str, *words: str, **knobs: object) -> Recap:
    file = folder / "play.yml"
    file.write_text(playbook)
    environment = os.environ | {
        "ANSIBLE_ROLES_PATH": str(FOLDER / "roles"),
        "ANSIBLE_LIBRARY": str(FOLDER / "library"),
        "ANSIBLE_MODULE_UTILS": str(FOLDER / "module_utils"),
        "ANSIBLE_STDOUT_CALLBACK": "ansible.posix.json",
        "ANSIBLE_PIPELINING": "1",
        "ANSIBLE_PYTHON_INTERPRETER": "/usr/bin/python3",
        "ANSIBLE_SSH_ARGS": SSH,
        "ANSIBLE_TIMEOUT": "5",
        "LC_ALL": "C.UTF-8",
    }
    variables = json.dumps(KNOBS | knobs)
    done = subprocess.run(
        [ANSIBLE_PLAYBOOK, "-i", lab.inventory, "-e", variables, *words, file],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=PLAY_SECONDS,
    )
    assert done.stdout.startswith("{"), done.stdout + done.stderr
    return Recap(json.loads(done.stdout), done.returncode)


@contextmanager
def _held(lab: RunningLab, node: str, file: str, how: str, *, seconds: int = 60) -> Iterator[None]:
    """A process in a node holds a file locked."""
    hold = HOLD.format(how=how, seconds=seconds)
    lab.in_node(node, f'mkdir -p {Path(file).parent}; echo \'{{"run": "cora-abcd"}}\' > {file}')
    pid = lab.in_node(node, f'python3 -c "{hold}" {file} > /dev/null 2>&1 & echo $!').stdout.strip()
    try_it = f"python3 -c \"import fcntl; fcntl.{how}(open('{file}', 'a+'), fcntl.LOCK_EX | fcntl.LOCK_NB)\""
    eventually(lambda: "BlockingIOError" in lab.in_node(node, f"{try_it} 2>&1 || true").stdout)
    try:
        yield
    finally:
        lab.in_node(node, f"kill {pid} 2> /dev/null; rm -f {file}")


@contextmanager
def _sudo_asks(lab: RunningLab, node: str) -> Iterator[None]:
    """The user of a node has no passwordless sudo."""
    lab.in_node(node, "mv /etc/sudoers.d /etc/sudoers.away; mkdir /etc/sudoers.d")
    try:
        yield
    finally:
        lab.in_node(node, "rmdir /etc/sudoers.d; mv /etc/sudoers.away /etc/sudoers.d")


def _make_repository(folder: Path) -> None:
    """The packages, and their list as apt reads it."""
    for name, needs in PACKAGES.items():
        _make_package(folder, name, needs)
    _make_package(folder, "nftables", "", _this_machines_nft())
    words = []
    for package in sorted(folder.glob("*.deb")):
        control = _told("dpkg-deb", "--field", str(package))
        digest = hashlib.sha256(package.read_bytes()).hexdigest()
        words.append(f"{control}Filename: ./{package.name}\nSize: {package.stat().st_size}\nSHA256: {digest}\n")
    (folder / "Packages").write_text("\n".join(words))


def _this_machines_nft() -> dict[str, bytes]:
    """What a package with it holds, by path: the program, and its libraries in a folder of their own."""
    nft = Path(shutil.which("nft") or pytest.skip("this machine has no nft"))
    linked = [Path(word) for word in _told("ldd", str(nft)).split() if word.startswith("/")]
    files = {f"usr/lib/trial/{file.name}": file.read_bytes() for file in (nft, *linked) if "libc.so" not in file.name}
    start = b'#!/bin/sh\nLD_LIBRARY_PATH=/usr/lib/trial exec /usr/lib/trial/nft "$@"\n'
    return files | {"usr/sbin/nft": start}


def _make_package(folder: Path, name: str, needs: str, files: Mapping[str, bytes] = MappingProxyType({})) -> None:
    place = folder / f"{name}.d"
    control = (
        f"Package: {name}\nVersion: 1\nArchitecture: all\nMaintainer: trial <trial@localhost>\nDescription: trial\n"
    )
    control += f"Depends: {needs}\n" if needs else ""
    for path, content in (dict(files) | {"DEBIAN/control": control.encode()}).items():
        (place / path).parent.mkdir(parents=True, exist_ok=True)
        (place / path).write_bytes(content)
        (place / path).chmod(0o755)
    _told("dpkg-deb", "--root-owner-group", "--build", str(place), str(folder / f"{name}.deb"))
    shutil.rmtree(place)


def _told(*words: str) -> str:
    return subprocess.run(words, check=True, capture_output=True, text=True, timeout=240).stdout
