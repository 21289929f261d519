"""Where a node's SSH is and how it is entered: as OpenSSH itself understands what the inventory and ~/.ssh/config say.

So fabric enters with the very settings that Ansible's and rsync's `ssh` have.
"""

from __future__ import annotations

import shlex
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from picluster.errors import InputError, MissingError

RESOLVE_TIMEOUT_SECONDS = 10


@dataclass(frozen=True)
class SshAddress:
    """What `ssh -G` says of one host."""

    host: str
    """Name or IP address."""
    port: int
    """Of its sshd."""
    user: str
    """Account there."""
    key_files: tuple[Path, ...]
    """Private keys that may open it, those that exist."""
    known_hosts: tuple[Path, ...]
    """Files of host keys; the first is the one that new keys are written to."""
    jumps: tuple[str, ...]
    """Hosts on the way, each as [user@]host[:port]."""
    proxy_command: str | None
    """A command whose input and output lead there."""

    @property
    def known_name(self) -> str:
        """What the host is called in a file of host keys."""
        return self.host if self.port == 22 else f"[{self.host}]:{self.port}"  # noqa: PLR2004  the port of SSH


def ssh_words(name: str, variables: Mapping[str, Any]) -> list[str]:
    """The words between `ssh` and the command, as Ansible would have them for a host; the last is the destination."""
    words: list[str] = []
    for option, *variants in (
        ("-p", "ansible_port", "ansible_ssh_port"),
        ("-l", "ansible_user", "ansible_ssh_user"),
        ("-i", "ansible_ssh_private_key_file", "ansible_private_key_file"),
    ):
        value = next((str(variables[each]) for each in variants if variables.get(each) not in (None, "")), None)
        if value is not None:
            words += [option, str(Path(value).expanduser()) if option == "-i" else value]
    for each in ("ansible_ssh_common_args", "ansible_ssh_extra_args"):
        try:
            words += shlex.split(str(variables.get(each) or ""))
        except ValueError as error:
            raise InputError(f"{each} of {name} cannot be split into words: {error}") from None
    host = variables.get("ansible_host") or variables.get("ansible_ssh_host") or name
    return [*words, str(host)]


def resolve(words: Sequence[str]) -> SshAddress:
    """What OpenSSH makes of these words.

    Raises:
        InputError: it does not understand them.
        MissingError: it is not installed.
    """
    command = ["ssh", "-G", *words]
    try:
        told = subprocess.run(command, capture_output=True, text=True, check=False, timeout=RESOLVE_TIMEOUT_SECONDS)
    except FileNotFoundError:
        raise MissingError("ssh is not installed", fix="sudo apt install openssh-client") from None
    if told.returncode != 0:
        raise InputError(f"ssh does not understand {shlex.join(words)}: {told.stderr.strip()}")
    return read_settings(told.stdout)


def read_settings(text: str) -> SshAddress:
    """Read the output of `ssh -G`: a setting a line, its name in small letters first."""
    settings: dict[str, list[str]] = {}
    for line in text.splitlines():
        name, _, value = line.partition(" ")
        settings.setdefault(name, []).append(value)

    def last(name: str) -> str:
        return settings.get(name, [""])[-1]

    def files(name: str) -> list[Path]:
        return [Path(word).expanduser() for value in settings.get(name, []) for word in value.split()]

    keys = [Path(value.strip('"')).expanduser() for value in settings.get("identityfile", [])]
    return SshAddress(
        host=last("hostname"),
        port=int(last("port")),
        user=last("user"),
        key_files=tuple(key for key in keys if key.is_file()),
        known_hosts=(*files("userknownhostsfile"), *files("globalknownhostsfile")),
        jumps=tuple(hop for hop in last("proxyjump").split(",") if hop not in ("", "none")),
        proxy_command=next((each for each in settings.get("proxycommand", []) if each != "none"), None),
    )
