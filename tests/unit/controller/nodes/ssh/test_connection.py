"""The words for connections that fail, and the ways to a node."""

from __future__ import annotations

import socket
import threading
from contextlib import closing
from pathlib import Path

import paramiko
import pytest
from paramiko.ssh_exception import NoValidConnectionsError

from picluster.controller.nodes.ssh.address import SshAddress, read_settings
from picluster.controller.nodes.ssh.connection import CONNECT_SECONDS, connect, proxy_words
from picluster.controller.nodes.ssh.failures import HostKeyShown, Verdict, in_words
from picluster.controller.nodes.ssh.known_hosts import HostKey
from picluster.errors import RunFailed

OLD, NEW = HostKey("ssh-ed25519", b"old"), HostKey("ssh-rsa", b"new")
ADDRESS = read_settings("hostname 127.0.0.1\nport 2222\nuser pi\nproxycommand nc %h %p '%r' 100%%\n")


def shown(state: str) -> HostKeyShown:
    return HostKeyShown(Verdict(ADDRESS, NEW, (OLD,), state))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("error", "what", "fix"),
    [
        (shown("new"), f"its host key rsa {NEW.fingerprint} is not known here", "picluster trust 'a b'"),
        (shown("changed"), f"it was ed25519 {OLD.fingerprint}, it is rsa {NEW.fingerprint}", "if it was flashed anew"),
        (shown("revoked"), "is marked as revoked here", "find out who answers"),
        (paramiko.AuthenticationException(), "refuses user pi: there is no key file", "ssh-copy-id -p 2222 pi@127"),
        (ConnectionRefusedError(), "nothing answers SSH at 127.0.0.1 port 2222", "or set ansible_port of a b"),
        (socket.gaierror(), "127.0.0.1 is no name that this machine knows", "set ansible_host of a b"),
        (TimeoutError(), "127.0.0.1 port 2222 does not answer", "see whether it is on"),
        (
            NoValidConnectionsError({("127.0.0.1", 2222): ConnectionRefusedError()}),
            "nothing answers SSH at",
            "start sshd",
        ),
        (
            NoValidConnectionsError({("127.0.0.1", 2222): OSError(113, "x")}),
            "2222 does not answer",
            "see whether it is",
        ),
        (paramiko.ChannelException(1, "x"), "cannot reach 127.0.0.1 port 2222", "see whether it is on"),
        (EOFError(), "takes the connection, but says nothing in time", "restart it, or its sshd"),
        (paramiko.SSHException("odd\nwords"), "SSH to 127.0.0.1 port 2222 failed: odd words", "see what `ssh pi@127"),
        (OSError(113, "No route to host"), "No route to host", "see what `ssh pi@127"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
def test_a_failure_is_one_line_and_one_fix(error: Exception, what: str, fix: str) -> None:
    told = in_words("a b", ADDRESS, error)
    assert isinstance(told, RunFailed)
    assert what in told.what
    assert fix in told.fix
    assert "\n" not in told.what + told.fix


def test_a_failure_on_the_way_names_the_host_that_failed() -> None:
    told = in_words("pi1", ADDRESS, shown("new"), on_the_way=True)
    assert told.what.startswith("on the way to it, 127.0.0.1 port 2222: its host key rsa ")


def test_a_proxy_command_has_its_tokens_filled_in() -> None:
    assert proxy_words(ADDRESS) == ["/bin/sh", "-c", "exec nc 127.0.0.1 2222 'pi' 100%"]


def address(**settings: object) -> SshAddress:
    return read_settings("".join(f"{name} {value}\n" for name, value in {"user": "pi", **settings}.items()))


def test_a_proxy_command_that_ends_at_once_is_told_within_seconds(tmp_path: Path) -> None:
    way = address(hostname="pi1", port=22, proxycommand="false", userknownhostsfile=tmp_path / "none")
    with pytest.raises(RunFailed, match="pi1 port 22 takes the connection, but says nothing in time"):
        connect("pi1", way)


def test_an_sshd_that_turns_away_is_asked_again(tmp_path: Path) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as door:
        way = address(hostname="127.0.0.1", port=door.getsockname()[1], userknownhostsfile=tmp_path / "none")
        asked = 0

        def hang_up() -> None:
            nonlocal asked
            for _ in range(2):
                door.accept()[0].close()
                asked += 1
            door.close()

        thread = threading.Thread(target=hang_up)
        thread.start()
        with pytest.raises(RunFailed):
            connect("pi1", way)
        thread.join(CONNECT_SECONDS)
    assert asked == 2
