"""What the real `ssh -G` makes of words and of a configuration."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from picluster.controller.nodes.ssh.address import SshAddress, read_settings, resolve, ssh_words
from picluster.errors import InputError
from tests.integration.sshd import NEEDS_SSHD

pytestmark = NEEDS_SSHD
CONFIG = """
Host pi1
  HostName 10.0.0.1
  Port 2222
  User shelf
  IdentityFile "{folder}/a key"
  IdentitiesOnly yes
  HashKnownHosts yes
  UserKnownHostsFile "{folder}/known hosts" "{folder}/more"
  GlobalKnownHostsFile none
Host alias
  HostKeyAlias Shelf-One
  ProxyCommand nc %h %p
Host behind
  ProxyJump pi1,root@[::1]:2022
Host gate
  ProxyJump outer
Host beyond
  ProxyJump gate,second
Host !outer *
  ProxyJump none
"""


@pytest.fixture
def configured(tmp_path: Path) -> list[str]:
    folder = tmp_path / "a'; echo b"
    folder.mkdir()
    (folder / "config").write_text(CONFIG.format(folder=folder))
    return ["-F", str(folder / "config")]


def test_the_settings_are_those_of_openssh(configured: list[str]) -> None:
    folder = Path(configured[1]).parent
    assert resolve([*configured, "pi1"]) == SshAddress(
        host="10.0.0.1",
        port=2222,
        user="shelf",
        key_files=(folder / "a key",),
        own_keys_only=True,
        known_hosts=(folder / "known hosts", folder / "more"),
        new_keys=folder / "known hosts",
        alias=None,
        hashes_names=True,
        jumps=(),
        proxy_command=None,
        options=tuple(configured),
    )


def test_words_go_before_the_configuration(configured: list[str]) -> None:
    address = resolve([*configured, *ssh_words("pi1", {"ansible_port": "22", "ansible_user": "pi"})])
    assert (address.port, address.user, address.known_name) == (22, "pi", "10.0.0.1")


@pytest.mark.parametrize(
    ("words", "name"),
    [
        (("-p", "2222", "PI1.lan"), "[pi1.lan]:2222"),
        (("pi1.lan",), "pi1.lan"),
        (("-p", "2222", "-o", "HostKeyAlias=Shelf", "x"), "shelf"),
        (("::1",), "::1"),
    ],
)
def test_a_host_is_known_by_name_and_port_or_by_its_alias(words: tuple[str, ...], name: str) -> None:
    assert resolve(["-F", "none", *words]).known_name == name


def test_hosts_on_the_way_have_settings_of_their_own(configured: list[str]) -> None:
    first, second = resolve([*configured, "behind"]).way()
    assert (first.host, first.port, first.user, first.options) == ("10.0.0.1", 2222, "shelf", tuple(configured))
    assert (second.host, second.port, second.user) == ("::1", 2022, "root")


def test_the_first_host_on_the_way_may_have_a_way_itself(configured: list[str]) -> None:
    assert [hop.host for hop in resolve([*configured, "beyond"]).way()] == ["outer", "gate", "second"]


def test_jump_hosts_that_lead_to_each_other_are_refused(tmp_path: Path) -> None:
    (tmp_path / "config").write_text("Host a\n  ProxyJump b\nHost b\n  ProxyJump a\n")
    with pytest.raises(InputError, match="go in circles"):
        resolve(["-F", str(tmp_path / "config"), "a"]).way()


def test_no_file_of_host_keys_is_no_file() -> None:
    address = resolve(["-F", "none", "-o", "UserKnownHostsFile=none", "-o", "GlobalKnownHostsFile=none", "pi1"])
    assert (address.known_hosts, address.new_keys) == ((), None)


def test_a_proxy_command_is_left_as_it_stands(configured: list[str]) -> None:
    address = resolve([*configured, "alias"])
    assert (address.proxy_command, address.jumps) == ("nc %h %p", ())


def test_words_that_ssh_does_not_understand_are_told_in_one_line() -> None:
    with pytest.raises(InputError, match="ssh does not understand -o Nonsense=1 pi1: ") as caught:
        resolve(["-o", "Nonsense=1", "pi1"])
    assert "\n" not in caught.value.what


def test_a_destination_is_never_an_option(tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    with pytest.raises(InputError):
        resolve(["-F", "none", f"-oProxyCommand=touch {mark}"])
    assert not mark.exists()


def test_this_machine_s_own_settings_are_read_as_ssh_reads_them() -> None:
    told = subprocess.run(["ssh", "-G", "pi1"], capture_output=True, text=True, check=True, timeout=240)  # noqa: S607
    assert resolve(["pi1"]) == read_settings(told.stdout)
    assert resolve(["pi1"]).user == read_settings(told.stdout).user != ""
    assert os.path.isabs(resolve(["pi1"]).known_hosts[0])  # noqa: PTH117
