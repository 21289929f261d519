"""Files of host keys: who is known by what, and how a key takes another's place."""

from __future__ import annotations

import base64
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import paramiko
import pytest

from picluster.controller.nodes.ssh.address import SshAddress, read_settings
from picluster.controller.nodes.ssh.failures import Verdict
from picluster.controller.nodes.ssh.known_hosts import HostKey, elsewhere, known_keys, record, without
from picluster.errors import InputError

SETTINGS = "hostname Pi1\nport 2222\nuser pi\nuserknownhostsfile {folder}/known hosts {folder}/more\n"
NAME = "[pi1]:2222"
SALT = base64.b64encode(bytes(range(20))).decode()


def hash_host(name: str) -> str:
    return str(paramiko.HostKeys.hash_host(name, SALT))


def key(letter: str) -> HostKey:
    return HostKey("ssh-ed25519", b"key " + letter.encode())


OLD, NEW, OTHER = map(key, "abc")


@pytest.fixture
def address(tmp_path: Path) -> SshAddress:
    return read_settings(SETTINGS.format(folder=tmp_path))


@pytest.fixture
def new_key(address: SshAddress) -> Callable[..., Verdict]:
    def make(**changes: object) -> Verdict:
        changed: SshAddress = replace(address, **changes)  # type: ignore[arg-type]
        return Verdict(changed, NEW, (OLD,), "changed")

    return make


@pytest.mark.parametrize(
    ("hosts", "name", "is_known"),
    [
        ("pi1", "pi1", True),
        ("pi2,pi1,192.168.1.9", "pi1", True),
        ("PI1", "pi1", True),
        ("pi10", "pi1", False),
        ("[pi1]:2222", "[pi1]:2222", True),
        ("[pi1]:2222", "pi1", False),
        ("[pi1]:2222", "p", False),
        ("*.local", "pi1.local", True),
        ("pi?", "pi1", True),
        ("*.local,!pi1.local", "pi1.local", False),
        (hash_host("pi1"), "pi1", True),
        (hash_host("pi1"), "pi2", False),
        ("|1|not base 64", "pi1", False),
        ("|1|c2FsdA==|c2FsdA==", "pi1", False),
    ],
)
def test_a_host_is_known_by_name_pattern_port_or_hash(hosts: str, name: str, is_known: bool) -> None:
    assert known_keys([OLD.line(hosts)], name)[0] == ([OLD] if is_known else [])


def test_marked_keys_are_not_taken_for_plain_ones() -> None:
    lines = [f"@revoked {OLD.line('*')}", f"@cert-authority {NEW.line('*')}"]
    assert known_keys(lines, "pi1") == ([], [OLD])


@pytest.mark.parametrize(
    "line", ["", "# pi1 ssh-ed25519 AAAA", "pi1", "pi1 ssh-ed25519", "pi1 ssh-ed25519 ?", "\x00\n"]
)
def test_lines_that_say_nothing_are_left_alone(line: str) -> None:
    assert known_keys([line], "pi1") == ([], [])
    assert without(line, "pi1") == line


def test_only_that_host_s_entries_go() -> None:
    kept = [
        "# pi1 was here\n",
        OTHER.line("pi2"),
        OLD.line("*.local"),
        OLD.line("[pi1]:2222"),
        OTHER.line(hash_host("pi2")),
        f"@revoked {OLD.line('pi1')}",
    ]
    gone = [OLD.line("pi1"), OLD.line(hash_host("pi1"))]
    shared = OLD.line("pi1,192.168.1.9")
    text = "".join([kept[0], gone[0], *kept[1:3], shared, gone[1], *kept[3:]])
    assert without(text, "pi1") == "".join([*kept[:3], OLD.line("192.168.1.9"), *kept[3:]])


def test_a_hashed_name_is_one_that_ssh_keygen_finds(tmp_path: Path) -> None:
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", tmp_path / "key"], check=True, timeout=240)  # noqa: S607
    kind, blob, *_ = (tmp_path / "key.pub").read_text().split()
    shown = HostKey(kind, base64.b64decode(blob))
    (tmp_path / "known_hosts").write_text(shown.line(hash_host(NAME)))
    command = ["ssh-keygen", "-l", "-F", NAME, "-f", str(tmp_path / "known_hosts")]
    found = subprocess.run(command, capture_output=True, text=True, check=True, timeout=240)
    assert shown.fingerprint in found.stdout


def test_a_key_takes_the_old_one_s_place_and_nothing_else_changes(
    new_key: Callable[..., Verdict], tmp_path: Path
) -> None:
    file = tmp_path / "known hosts"
    text = b"# caf\xe9\n" + OTHER.line("pi2").encode() + OLD.line(NAME).encode() + OTHER.line("pi3").encode().rstrip()
    file.write_bytes(text)
    file.chmod(0o600)
    assert record(new_key()) == file
    assert file.read_bytes() == text.replace(OLD.line(NAME).encode(), b"") + b"\n" + NEW.line(NAME).encode()
    assert file.stat().st_mode & 0o777 == 0o600
    assert [each.name for each in tmp_path.iterdir()] == ["known hosts"]


def test_the_file_and_its_folder_are_made_for_nobody_else_to_read(
    new_key: Callable[..., Verdict], tmp_path: Path
) -> None:
    file = tmp_path / ".ssh" / "known_hosts"
    record(new_key(new_keys=file))
    assert file.read_text() == NEW.line(NAME)
    assert (file.stat().st_mode & 0o777, file.parent.stat().st_mode & 0o777) == (0o600, 0o700)


def test_recording_twice_changes_nothing(new_key: Callable[..., Verdict], tmp_path: Path) -> None:
    file = record(new_key())
    before = file.stat()
    record(new_key())
    assert (file.stat().st_ino, file.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    assert [each.name for each in tmp_path.iterdir()] == ["known hosts"]


def test_a_name_is_hashed_where_the_person_s_settings_say_so(new_key: Callable[..., Verdict]) -> None:
    text = record(new_key(hashes_names=True)).read_text()
    assert text.startswith("|1|")
    assert known_keys([text], NAME)[0] == [NEW]


def test_a_link_stays_a_link(new_key: Callable[..., Verdict], tmp_path: Path) -> None:
    (tmp_path / "settings").write_text("")
    (tmp_path / "known hosts").symlink_to("settings")
    record(new_key())
    assert (tmp_path / "known hosts").is_symlink()
    assert (tmp_path / "settings").read_text() == NEW.line(NAME)


@pytest.mark.parametrize("place", [Path("/dev/null"), None])
def test_where_nothing_can_be_recorded_that_is_said(new_key: Callable[..., Verdict], place: Path | None) -> None:
    with pytest.raises(InputError, match=r"UserKnownHostsFile of Pi1 is .*: nothing can be recorded there"):
        record(new_key(new_keys=place))
    assert Path("/dev/null").is_char_device()


def test_another_key_in_a_file_that_is_left_alone_is_told_of(new_key: Callable[..., Verdict], tmp_path: Path) -> None:
    (tmp_path / "more").write_text(OLD.line(NAME))
    record(new_key())
    assert elsewhere(new_key()) == [tmp_path / "more"]
