"""A node that cannot be used: one clear line that names it, one fix, the documented code, nothing started anywhere."""

from __future__ import annotations

import os
import socket
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest

from picluster.controller.nodes.ssh.address import resolve, ssh_words
from picluster.controller.nodes.ssh.connection import connect
from picluster.errors import RunFailed
from tests.integration.desk import GRAPH, Desk, make_desk
from tests.integration.sshd import NEEDS_SSHD, Sshd, make_key, record_key, running_sshd, ssh_options

pytestmark = [NEEDS_SSHD, pytest.mark.slow]
NEEDS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="needs root to mount a small file system")
NASTY = "a'; touch pwned; echo \"b $(touch pwned)"
NAMES = ("p1", "p2", NASTY)
PLAN_LINES = ("inventory ", "model ", "engine ", "dataset ", "plan ", "  note: ", *(f"  {name} " for name in NAMES))
PASSPHRASE = "open sesame"  # noqa: S105  of a key that lives as long as the test
KEY_KINDS = ("rsa", "ecdsa", "ed25519")

FORCED = {
    "closed": "echo This account is not available.; exit 1",
    "talkative": "echo Welcome to the shelf; eval $SSH_ORIGINAL_COMMAND",
    "bare": "exit 127",
}
"""What an account's shell does instead: key → command."""

Changes = Mapping[str, object]


@dataclass(frozen=True)
class Place:
    """Three names for one sshd, a desk with a graph, and room for what a test spoils."""

    sshd: Sshd
    desk: Desk
    room: Path

    def launch(self, changes: Mapping[str, Changes]) -> subprocess.CompletedProcess[str]:
        """On an inventory in which something is different about some names."""
        inventory = self.sshd.write_inventory(self.desk.folder / "spoilt.yml", NAMES, changes)
        return self.desk.picluster("launch", *GRAPH, "--layers-per-node", "1", "--inventory", str(inventory))

    def refused(self, changes: Mapping[str, Changes], code: int) -> list[str]:
        """What is told when a launch must be refused, without the plan."""
        done = self.launch(changes)
        assert done.returncode == code, done.stdout + done.stderr
        assert done.stdout == ""
        assert self.desk.runs() == set()
        assert self.sshd.workers() == {}
        assert self.sshd.run_folders() == []
        assert self.sshd.claims() == []
        assert not list(self.desk.folder.rglob("pwned"))
        assert not list(self.sshd.folder.rglob("pwned"))
        return [line for line in done.stderr.splitlines() if not line.startswith(PLAN_LINES)]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    desk = make_desk(tmp_path_factory.mktemp("desk"))
    desk.environment.pop("SSH_AUTH_SOCK", None)
    assert desk.picluster("dataset", "prepare", *GRAPH[1:]).returncode == 0
    room = tmp_path_factory.mktemp("room")
    with running_sshd(tmp_path_factory.mktemp("sshd") / "etc") as sshd:
        make_key(room / "stranger")
        make_key(room / "locked key", passphrase=PASSPHRASE)
        with (sshd.folder / "authorized_keys").open("a") as accepted:
            accepted.write((room / "locked key.pub").read_text())
            for name, command in FORCED.items():
                accepted.write(f'command="{command}" {make_key(room / name).with_suffix(".pub").read_text()}')
        yield Place(sshd, desk, room)


def changed_key(place: Place) -> Changes:
    known_hosts = place.room / "changed"
    record_key(known_hosts, place.sshd.known_name, place.room / "stranger")
    return {"ansible_ssh_common_args": ssh_options(known_hosts)}


def no_key(place: Place) -> Changes:
    return {"ansible_ssh_common_args": ssh_options(place.room / "nothing is known")}


def other_user(_: Place) -> Changes:
    return {"ansible_user": "nosuchuser"}


def key(name: str) -> Callable[[Place], Changes]:
    def change(place: Place) -> Changes:
        return {"ansible_ssh_private_key_file": str(place.room / name)}

    change.__name__ = f"key {name}"
    return change


def other_version(place: Place) -> Changes:
    program = place.room / "other version" / ".venv" / "bin" / "picluster-worker"
    program.parent.mkdir(parents=True, exist_ok=True)
    program.write_text("#!/bin/sh\necho picluster-worker 0.0.9\n")
    program.chmod(0o755)
    return {"picluster_home": str(place.room / "other version")}


def no_picluster(_: Place) -> Changes:
    return {"picluster_home": f"/nowhere/{NASTY}"}


def closed_port(_: Place) -> Changes:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return {"ansible_port": probe.getsockname()[1]}


@pytest.mark.parametrize(
    ("spoil", "code", "told", "fix"),
    [
        (
            changed_key,
            5,
            "its host key has changed since it was recorded: it was ed25519 SHA256:",
            "picluster trust p2",
        ),
        (no_key, 5, "its host key ed25519 SHA256:", "picluster trust p2"),
        (other_user, 5, "refuses user nosuchuser: neither ", "or set ansible_user of p2"),
        (key("stranger"), 5, "stranger fits, nor does any key of an agent", "ssh-copy-id -p "),
        (key("missing"), 5, "there is no key file", "ssh-copy-id -p "),
        (key("locked key"), 5, "locked key has a passphrase, and no agent holds it", "ssh-add '"),
        (key("closed"), 5, "This account is not available.", ""),
        (key("talkative"), 5, "'Welcome to the shelf'", "print nothing"),
        (key("bare"), 4, "python3 is not installed on it", "sudo apt install python3"),
        (other_version, 4, "it has picluster 0.0.9, and this is ", "picluster provision"),
        (no_picluster, 4, f"picluster is not installed in /nowhere/{NASTY} there", "picluster provision"),
        (closed_port, 5, "nothing answers SSH at 127.0.0.1 port ", "start sshd on it, or set ansible_port of p2"),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_a_bad_node_is_refused_before_anything_starts(
    place: Place, spoil: Callable[[Place], Changes], code: int, told: str, fix: str
) -> None:
    first, second = place.refused({"p2": spoil(place)}, code)
    assert first.startswith("error: p2: ")
    assert told in first
    assert second.startswith("  fix: ")
    assert fix in second


@NEEDS_ROOT
def test_a_node_whose_disk_is_full_is_refused(place: Place, tmp_path: Path) -> None:
    disk = tmp_path / NASTY
    with place.sshd.little_disk(disk) as seen_from_here:
        first, second = place.refused({NASTY: {"picluster_cache": f"{disk}/kept"}}, code=3)
        assert list(seen_from_here.iterdir()) == []
    assert first.startswith(f"error: {NASTY}: its disk is too full: ")
    assert " MiB are free, " in first
    assert second.startswith("  fix: free space there; ")


def test_every_bad_node_is_named_each_with_its_fix(place: Place) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        changes = {"p1": {"ansible_port": silent.getsockname()[1]}, NASTY: no_key(place)}
        told = place.refused(changes, code=5)
    assert told[0] == "error: 2 nodes cannot be used"
    assert told[1].startswith("  p1: 127.0.0.1 port ")
    assert told[1].endswith(" takes the connection, but says nothing in time")
    assert told[2].startswith("  fix: ")
    assert told[3].startswith(f"  {NASTY}: its host key ed25519 SHA256:")
    assert told[4].startswith("  fix: picluster trust ")
    assert len(told) == 5


@pytest.fixture
def agent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Path], None]]:
    """A real agent, and how a key is added to it."""
    ask = tmp_path / "ask"
    ask.write_text(f"#!/bin/sh\necho '{PASSPHRASE}'\n")
    ask.chmod(0o755)
    monkeypatch.setenv("SSH_AUTH_SOCK", str(tmp_path / "agent"))
    environment = {**os.environ, "SSH_ASKPASS": str(ask), "SSH_ASKPASS_REQUIRE": "force", "DISPLAY": ":0"}

    def add(file: Path) -> None:
        subprocess.run(["ssh-add", "-q", file], check=True, env=environment, timeout=240)  # noqa: S607

    with subprocess.Popen(["ssh-agent", "-D", "-a", tmp_path / "agent"], stdout=subprocess.DEVNULL) as process:  # noqa: S607
        while not (tmp_path / "agent").exists():
            assert process.poll() is None
        yield add
        process.terminate()


def entered(place: Place, **changes: object) -> bool:
    words = ssh_words("p1", {**place.sshd.variables("p1"), **changes})
    try:
        with closing(connect("p1", resolve(words))) as connection:
            return bool(connection.is_connected)
    except RunFailed:
        return False


def test_a_locked_key_opens_once_an_agent_holds_it(place: Place, agent: Callable[[Path], None]) -> None:
    assert not entered(place, **key("locked key")(place))
    agent(place.room / "locked key")
    assert entered(place, **key("locked key")(place))


@pytest.mark.parametrize("kind", KEY_KINDS)
def test_keys_of_every_kind_open_from_a_file_and_from_an_agent(
    place: Place, agent: Callable[[Path], None], tmp_path: Path, kind: str
) -> None:
    file = make_key(tmp_path / kind, kind)
    accepted = place.sshd.folder / "authorized_keys"
    before = accepted.read_text()
    accepted.write_text(before + file.with_suffix(".pub").read_text())
    assert entered(place, ansible_ssh_private_key_file=str(file))
    agent(file)
    file.unlink()
    assert entered(place, ansible_ssh_private_key_file=str(file))
    accepted.write_text(before)


def test_an_agent_with_many_keys_does_not_hide_the_one_that_was_asked_for(
    place: Place, agent: Callable[[Path], None], tmp_path: Path
) -> None:
    for number in range(7):  # sshd hangs up after six
        agent(make_key(tmp_path / f"key{number}"))
    agent(place.room / "locked key")
    assert entered(place, **key("locked key")(place))


def test_a_host_key_of_any_kind_is_recognised_though_the_host_has_others(tmp_path: Path) -> None:
    with running_sshd(tmp_path / "sshd", other_host_keys=("rsa", "ecdsa")) as sshd:
        for kind in ("rsa", "ecdsa"):
            known_hosts = tmp_path / kind
            record_key(known_hosts, sshd.known_name, sshd.host_key.with_name(f"host_key_{kind}"))
            words = ssh_words("p1", sshd.variables("p1", known_hosts=known_hosts))
            with closing(connect("p1", resolve(words))) as connection:
                assert connection.is_connected
