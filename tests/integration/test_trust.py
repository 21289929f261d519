"""`picluster trust` against real sshds: what is recorded opens, nothing is recorded unasked, OpenSSH agrees."""

from __future__ import annotations

import json
import os
import pty
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest

from picluster.controller.nodes.ssh.address import resolve, ssh_words
from picluster.controller.nodes.ssh.connection import connect
from tests.integration.desk import Desk, make_desk
from tests.integration.sshd import NEEDS_SSHD, Sshd, make_key, record_key, running_sshd

pytestmark = [NEEDS_SSHD, pytest.mark.slow]
TRUST_TIMEOUT_SECONDS = 240
CONFIG = """
Host *
  UserKnownHostsFile "{known_hosts}"
  GlobalKnownHostsFile /dev/null
  HashKnownHosts yes
  IdentityFile "{key}"
  User {user}
Host gate
  HostName 127.0.0.1
  Port {port}
"""


@dataclass(frozen=True)
class Shelf:
    """A node and one that is reached through it, an inventory of both, and a file of host keys that is empty."""

    near: Sshd
    far: Sshd
    desk: Desk
    known_hosts: Path
    inventory: Path

    def words(self, *words: str) -> tuple[str, ...]:
        return ("trust", "--inventory", str(self.inventory), *words)

    def trust(self, *words: str) -> subprocess.CompletedProcess[str]:
        return self.desk.picluster(*self.words(*words))

    def trust_by_hand(self, answers: str) -> str:
        """Somebody types the answers."""
        here, there = pty.openpty()
        command = self.desk.command(*self.words())
        os.write(here, answers.encode())
        try:
            done = subprocess.run(
                command,
                cwd=self.desk.folder,
                env=self.desk.environment,
                stdin=there,
                capture_output=True,
                text=True,
                check=True,
                timeout=TRUST_TIMEOUT_SECONDS,
            )
        finally:
            os.close(here)
            os.close(there)
        return done.stdout

    def is_open(self, name: str) -> bool:
        """To us and to OpenSSH."""
        words = ssh_words(name, json.loads(self.inventory.read_text())["picluster"]["hosts"][name])
        with closing(connect(name, resolve(words))) as connection:
            assert connection.is_connected
        strict = ["ssh", "-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=yes", *words, "true"]
        return subprocess.run(strict, check=False, timeout=TRUST_TIMEOUT_SECONDS).returncode == 0


@pytest.fixture(scope="module")
def sshds(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Sshd, Sshd]]:
    folder = tmp_path_factory.mktemp("sshds")
    with running_sshd(folder / "near") as near, running_sshd(folder / "far") as far:
        with (far.folder / "authorized_keys").open("a") as accepted:
            accepted.write(near.client_key.with_suffix(".pub").read_text())
        yield near, far


@pytest.fixture
def shelf(sshds: tuple[Sshd, Sshd], tmp_path: Path) -> Shelf:
    near, far = sshds
    known_hosts, config = tmp_path / "ssh folder" / "known_hosts", tmp_path / "config"
    variables = near.variables("near")
    user = variables["ansible_user"]
    config.write_text(CONFIG.format(known_hosts=known_hosts, key=near.client_key, user=user, port=near.port))
    same = {"ansible_host": "127.0.0.1", "ansible_ssh_common_args": f"-F {config}"}
    hosts = {
        "near": {**same, "ansible_port": near.port},
        "far": {**same, "ansible_port": far.port, "ansible_ssh_common_args": f"-F {config} -J gate"},
    }
    inventory = tmp_path / "pis.yml"
    inventory.write_text(json.dumps({"picluster": {"hosts": hosts}}))
    (tmp_path / "desk").mkdir()
    desk = make_desk(tmp_path / "desk")
    desk.environment.pop("SSH_AUTH_SOCK", None)
    return Shelf(near, far, desk, known_hosts, inventory)


def fingerprint(key: Path) -> str:
    told = subprocess.run(["ssh-keygen", "-lf", key], capture_output=True, text=True, check=True, timeout=240)  # noqa: S607
    return told.stdout.split()[1]


def test_new_keys_are_shown_as_ssh_keygen_shows_them_and_recorded_where_ssh_looks(shelf: Shelf) -> None:
    done = shelf.trust("--yes")
    assert done.returncode == 0, done.stderr
    assert f"new      ed25519 {fingerprint(shelf.near.host_key)}" in done.stdout
    assert f"port {shelf.near.port}, on the way to it" in done.stdout
    assert f"far  new      ed25519 {fingerprint(shelf.far.host_key)}" in done.stdout
    assert shelf.known_hosts.read_text().count("|1|") == 2
    assert shelf.known_hosts.stat().st_mode & 0o777 == 0o600
    assert shelf.is_open("near")
    assert shelf.is_open("far")
    before = shelf.known_hosts.stat().st_ino
    again = shelf.trust()
    assert again.returncode == 0, again.stderr
    assert [line.split()[:2] for line in again.stdout.splitlines()] == [["near", "known"], ["far", "known"]]
    assert shelf.known_hosts.stat().st_ino == before


def test_without_a_terminal_nothing_is_recorded_unasked(shelf: Shelf) -> None:
    done = shelf.trust()
    assert done.returncode == 2
    assert "near  new      ed25519 SHA256:" in done.stdout
    assert done.stderr.splitlines()[-2:] == [
        "error: nobody can be asked whether these keys are right: standard input is no terminal",
        f"  fix: compare them, then: picluster trust --yes -i {shelf.inventory}",
    ]
    assert not shelf.known_hosts.exists()


@pytest.mark.parametrize(("answers", "recorded"), [("y\ny\n", 2), ("\n", 0), ("no\n", 0)])
def test_a_person_is_asked_and_obeyed(shelf: Shelf, answers: str, recorded: int) -> None:
    told = shelf.trust_by_hand(answers)
    assert "ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub" in told
    lines = shelf.known_hosts.read_text().splitlines() if shelf.known_hosts.exists() else []
    assert len(lines) == recorded


def with_another_key(shelf: Shelf, sshds: Sequence[Sshd]) -> str:
    """What is recorded of these hosts is not true any more; returns the fingerprint that was."""
    shelf.known_hosts.parent.mkdir()
    old = make_key(shelf.known_hosts.parent / "old")
    record_key(shelf.known_hosts, "somebody", old)
    for sshd in sshds:
        record_key(shelf.known_hosts, sshd.known_name, old)
    return fingerprint(old)


def test_a_changed_key_is_replaced_only_where_its_node_is_named(shelf: Shelf) -> None:
    record_old = with_another_key(shelf, [shelf.near])
    record_key(shelf.known_hosts, shelf.far.known_name, shelf.far.host_key)
    before = shelf.known_hosts.read_text()
    refused = shelf.trust("--yes")
    assert refused.returncode == 5
    assert "near  CHANGED  ed25519 " + fingerprint(shelf.near.host_key) in refused.stdout
    assert f"it was   ed25519 {record_old}" in refused.stdout
    assert "another machine answers in its place" in refused.stdout
    assert f"  fix: once you know why: picluster trust near far -i {shelf.inventory}\n" in refused.stderr
    assert shelf.known_hosts.read_text() == before
    done = shelf.trust("near", "--yes")
    assert done.returncode == 0, done.stderr
    after = shelf.known_hosts.read_text()
    assert after.startswith("somebody ")
    assert shelf.near.known_name not in after
    assert shelf.is_open("near")


def test_a_changed_key_is_asked_about_by_name(shelf: Shelf) -> None:
    with_another_key(shelf, [shelf.near])
    record_key(shelf.known_hosts, shelf.far.known_name, shelf.far.host_key)
    assert "replace the key of near? [y/N]" in shelf.trust_by_hand("n\nn\n")
    assert shelf.near.known_name in shelf.known_hosts.read_text()
    shelf.trust_by_hand("y\ny\n")
    assert shelf.is_open("near")


def test_a_node_that_does_not_answer_does_not_hide_the_others(shelf: Shelf) -> None:
    inventory = json.loads(shelf.inventory.read_text())
    inventory["picluster"]["hosts"]["off"] = {**inventory["picluster"]["hosts"]["near"], "ansible_port": 1}
    shelf.inventory.write_text(json.dumps(inventory))
    done = shelf.trust("--yes")
    assert done.returncode == 5
    assert "off   failed   nothing answers SSH at 127.0.0.1 port 1" in done.stdout
    assert "error: off: nothing answers SSH" in done.stderr
    assert shelf.is_open("far")


def test_a_node_behind_a_proxy_command_is_seen_and_entered(shelf: Shelf) -> None:
    assert shelf.trust("near", "--yes").returncode == 0
    inventory = json.loads(shelf.inventory.read_text())
    far = inventory["picluster"]["hosts"]["far"]
    config = far["ansible_ssh_common_args"].split()[1]
    far["ansible_ssh_common_args"] = f"-F {config} -o 'ProxyCommand=ssh -F {config} -W \"%h:%p\" gate || true'"
    shelf.inventory.write_text(json.dumps(inventory))
    done = shelf.trust("far", "--yes")
    assert done.returncode == 0, done.stderr
    assert shelf.is_open("far")
