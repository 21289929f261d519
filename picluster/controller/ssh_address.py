"""Where a node's SSH is and how it is entered: as OpenSSH itself understands what the inventory and ~/.ssh/config say.

So fabric enters with the very settings that Ansible's and rsync's `ssh` have.
"""

from __future__ import annotations

import re
import shlex
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from picluster.errors import InputError, MissingError

RESOLVE_TIMEOUT_SECONDS = 10
_PORT = 22
_SCHEME = "ssh://"


@dataclass(frozen=True, kw_only=True)
class SshAddress:
    """What `ssh -G` says of one host."""

    host: str
    """Name or IP address."""
    port: int
    """Of its sshd."""
    user: str
    """Account there."""
    key_files: tuple[Path, ...]
    """Private keys that may open it, whether or not they exist."""
    own_keys_only: bool
    """Whether keys of an agent that stand in no such file must not be offered (IdentitiesOnly)."""
    known_hosts: tuple[Path, ...]
    """Files of host keys."""
    new_keys: Path | None
    """The one of them that new keys are written to; None where the person wants none recorded."""
    alias: str | None
    """What it is called in them, in place of its name (HostKeyAlias)."""
    hashes_names: bool
    """Whether names are written there hashed (HashKnownHosts)."""
    jumps: tuple[str, ...]
    """Hosts on the way, each as [user@]host[:port]."""
    proxy_command: str | None
    """A command whose input and output lead there."""
    options: tuple[str, ...] = ()
    """The words that choose the configuration: they hold for the hosts on the way too."""

    @property
    def known_name(self) -> str:
        """What the host is called in a file of host keys."""
        if self.alias:
            return self.alias.lower()
        return (self.host if self.port == _PORT else f"[{self.host}]:{self.port}").lower()

    def way(self) -> list[SshAddress]:
        """The hosts on the way, each entered as ~/.ssh/config says of it."""
        hops: list[SshAddress] = []
        for jump in self.jumps:
            hop = resolve([*self.options, jump if jump.startswith(_SCHEME) else _SCHEME + jump])
            if (hop.host, hop.port) == (self.host, self.port):  # `Host *` with a jump host, which is such a host itself
                continue
            hops += [hop] if hops else [*hop.way(), hop]
        return hops


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
            _refuse_option(name, variants[0], value)
            words += [option, str(Path(value).expanduser()) if option == "-i" else value]
    for each in ("ansible_ssh_common_args", "ansible_ssh_extra_args"):
        try:
            words += shlex.split(str(variables.get(each) or ""))
        except ValueError as error:
            raise InputError(f"{each} of {name} cannot be split into words: {error}") from None
    host = str(variables.get("ansible_host") or variables.get("ansible_ssh_host") or name)
    _refuse_option(name, "ansible_host", host)
    return [*words, host]


def _refuse_option(name: str, variable: str, value: str) -> None:
    """What begins with a dash, ssh or rsync could take for an option."""
    if value.startswith("-"):
        raise InputError(f"{variable} of {name} is {value!r}: it must not begin with a dash")


def resolve(words: Sequence[str]) -> SshAddress:
    """What OpenSSH makes of these words.

    Raises:
        InputError: it does not understand them.
        MissingError: it is not installed.
    """
    command = ["ssh", "-G", *words[:-1], "--", words[-1]]
    try:
        told = subprocess.run(command, capture_output=True, text=True, check=False, timeout=RESOLVE_TIMEOUT_SECONDS)
    except FileNotFoundError:
        raise MissingError("ssh is not installed", fix="sudo apt install openssh-client") from None
    if told.returncode != 0:
        raise InputError(f"ssh does not understand {shlex.join(words)}: {told.stderr.strip()}")
    return read_settings(told.stdout, _configuration(words))


def read_settings(text: str, options: Sequence[str] = ()) -> SshAddress:
    """Read the output of `ssh -G`: a setting a line, its name in small letters first."""
    settings: dict[str, list[str]] = {}
    for line in text.splitlines():
        name, _, value = line.partition(" ")
        settings.setdefault(name, []).append(value)

    def last(name: str) -> str:
        return settings.get(name, [""])[-1]

    def files(name: str) -> list[Path]:
        # Names stand side by side without quotes, and may have spaces in them.
        words = [word for value in settings.get(name, []) for word in re.split(r" (?=[/~])", value)]
        return [Path(word).expanduser() for word in words if word != "none"]

    own = files("userknownhostsfile")
    return SshAddress(
        host=last("hostname"),
        port=int(last("port")),
        user=last("user"),
        key_files=tuple(Path(value.strip('"')).expanduser() for value in settings.get("identityfile", [])),
        own_keys_only=last("identitiesonly") == "yes",
        known_hosts=(*own, *files("globalknownhostsfile")),
        new_keys=own[0] if own else None,
        alias=last("hostkeyalias") or None,
        hashes_names=last("hashknownhosts") == "yes",
        jumps=tuple(hop for hop in last("proxyjump").split(",") if hop not in ("", "none")),
        proxy_command=next((each for each in settings.get("proxycommand", []) if each != "none"), None),
        options=tuple(options),
    )


def _configuration(words: Sequence[str]) -> list[str]:
    """Those that choose a file instead of ~/.ssh/config."""
    for number, word in enumerate(words):
        if word.startswith("-F"):
            return list(words[number : number + 2]) if word == "-F" else [word]
    return []
