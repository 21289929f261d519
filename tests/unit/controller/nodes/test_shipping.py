"""What is shipped and by which words; what rsync's failures mean."""

from __future__ import annotations

import os
import shlex
import subprocess
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

import pytest

from picluster.agent.verifying import damaged
from picluster.controller.nodes.shipping import Shipment, bring_whole, files_of, rsync_command, state_of
from picluster.errors import DataError, MissingError, PiclusterError, RunFailed
from picluster.graph.folder import sha256

NASTY = "a'; touch pwned; echo \"b $(touch pwned)"


def test_a_role_s_files_are_its_arrays_and_the_folder_s_description(tmp_path: Path) -> None:
    assert [file.name for file in files_of(tmp_path, ["labels", "train"])] == ["meta.json", "labels.npy", "train.npy"]


def test_a_file_s_state_is_its_bytes_and_time_of_change_in_whole_seconds(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"123")
    os.utime(tmp_path / "a", ns=(0, 5_900_000_000))
    assert state_of([tmp_path / "a"]) == {"a": [3, 5]}


@pytest.mark.parametrize(("host", "place"), [("pi1", "pi1"), ("10.0.0.1", "10.0.0.1"), ("fe80::1", "[fe80::1]")])
def test_the_destination_is_the_host_s_as_rsync_writes_it(host: str, place: str) -> None:
    command = rsync_command([Path("/x")], ["-p", "22", host], "pi", PurePosixPath("/srv/kept"))
    assert command[-1] == f"pi@{place}:/srv/kept/"


def test_hostile_words_reach_ssh_as_they_are(tmp_path: Path) -> None:
    """Through the real rsync, which splits its --rsh itself; a program in ssh's place tells what it was given."""
    (tmp_path / "bin").mkdir()
    ssh = tmp_path / "bin" / "ssh"
    ssh.write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" > {shlex.quote(str(tmp_path / "told"))}\nexit 7\n')
    ssh.chmod(0o755)
    (tmp_path / NASTY).write_text("")
    options = ["-o", f'UserKnownHostsFile="/home/{NASTY}"', "-i", f"/keys/{NASTY}"]
    command = rsync_command([tmp_path / NASTY], [*options, "pi1"], "pi", PurePosixPath("/srv", NASTY))
    environment = {**os.environ, "PATH": f"{ssh.parent}:{os.environ['PATH']}"}
    subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, check=False, timeout=240)
    told = (tmp_path / "told").read_text().splitlines()
    first = told.index("-o", told.index(options[1]) - 1)
    assert told[first : first + len(options)] == options
    assert not (tmp_path / "pwned").exists()


class Card:
    """A folder that spoils the first files that come to it."""

    def __init__(self, folder: Path, spoilt: int) -> None:
        folder.mkdir()
        self.folder, self.spoilt, self.came = folder, spoilt, list[str]()

    def take(self, files: Sequence[Path]) -> None:
        for file in files:
            self.came.append(file.name)
            content = file.read_bytes()
            (self.folder / file.name).write_bytes(content[:-1] if self.spoilt > 0 else content)
            self.spoilt -= 1

    def damaged(self, checksums: dict[str, str]) -> list[str]:
        return damaged(self.folder, checksums)


@pytest.fixture
def two_files(tmp_path: Path) -> list[Path]:
    files = [tmp_path / "a", tmp_path / "b"]
    for file in files:
        file.write_bytes(file.name.encode() * 100)
    return files


def test_a_file_that_arrived_damaged_is_shipped_once_more(tmp_path: Path, two_files: list[Path]) -> None:
    card = Card(tmp_path / "card", spoilt=1)
    bring_whole(two_files, two_files, {file.name: sha256(file) for file in two_files}, card.take, card.damaged)
    assert card.came == ["a", "b", "a"]
    assert all((card.folder / file.name).read_bytes() == file.read_bytes() for file in two_files)


def test_a_card_that_spoils_a_file_twice_is_named_and_a_file_that_is_damaged_here_is_not_its_fault(
    tmp_path: Path, two_files: list[Path]
) -> None:
    checksums, card = {file.name: sha256(file) for file in two_files}, Card(tmp_path / "card", spoilt=3)
    with pytest.raises(DataError, match="a is damaged there, also after it was shipped again") as caught:
        bring_whole(two_files, two_files, checksums, card.take, card.damaged)
    assert caught.value.fault == "disk"
    two_files[1].write_bytes(b"other")
    with pytest.raises(DataError, match="b is damaged on this machine") as caught:
        bring_whole(two_files, two_files, checksums, card.take, card.damaged)
    assert caught.value.fault == "other"


def script(text: str) -> list[str]:
    return ["sh", "-c", text]


@pytest.mark.parametrize(
    ("text", "kind", "told"),
    [
        ("echo 'bash: line 1: rsync: command not found' >&2; exit 12", MissingError, "rsync is not installed on it"),
        ("exit 127", MissingError, "rsync is not installed on it"),
        ("echo 'write failed: No space left on device (28)' >&2; exit 11", DataError, "its disk is full"),
        ("echo 'Connection closed' >&2; echo more >&2; exit 255", RunFailed, "rsync failed: Connection closed"),
        ("exit 30", RunFailed, "rsync failed: exit code 30"),
    ],
)
def test_what_failed_is_said_in_words(text: str, kind: type[PiclusterError], told: str) -> None:
    with pytest.raises(kind) as caught:
        Shipment(script(text)).finish()
    assert caught.value.what.startswith(told)
    assert caught.value.fix


def test_rsync_that_is_lacking_here_is_told() -> None:
    with pytest.raises(MissingError, match="rsync is not installed here"):
        Shipment(["no such program"])


def test_a_shipment_that_is_abandoned_ends() -> None:
    shipment = Shipment(script("exec sleep 60"))
    shipment.abandon()
    with pytest.raises(RunFailed):
        shipment.finish()


def test_a_shipment_that_arrives_says_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    Shipment(script("echo sent")).finish()
    assert capfd.readouterr().out == ""
