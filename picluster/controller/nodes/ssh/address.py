"""Addresses of SSH: a node is entered as OpenSSH understands the inventory and ~/.ssh/config.

So fabric enters with the very settings that Ansible's and rsync's `ssh` have.
"""

from __future__ import annotations

import re
import shlex
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from picluster.errors import InputError, MissingError

RESOLVE_TIMEOUT_SECONDS = 10
_PORT, _LAST_PORT = 22, 65535


@dataclass(frozen=True, kw_only=True)
class SshAddress:
    """Settings of one host, as `ssh -G` tells them."""

    host: str
    """Name or IP address."""
    port: int
    user: str
    key_files: tuple[Path, ...]
    """Private keys that may open it, whether or not they exist."""
    own_keys_only: bool
    """True where keys of an agent that stand in no such file must not be offered (IdentitiesOnly)."""
    known_hosts: tuple[Path, ...]
    """Files of host keys."""
    new_keys: Path | None
    """The one of them that new keys are written to; None where the person wants none recorded."""
    alias: str | None
    """Name in those files, in place of its own (HostKeyAlias)."""
    hashes_names: bool
    """True where names are written there hashed (HashKnownHosts)."""
    jumps: tuple[str, ...]
    """Hosts on the way, each as [user@]host[:port]."""
    proxy_command: str | None
    """A command whose input and output lead there."""
    options: tuple[str, ...] = ()
    """The words that choose the configuration: they hold for the hosts on the way too."""

    @property
    def known_name(self) -> str:
        """Name of the host in a file of host keys."""
        if self.alias:
            return self.alias.lower()
        return (self.host if self.port == _PORT else f"[{self.host}]:{self.port}").lower()

    def way(self, longest: int = 8) -> list[SshAddress]:
        """The hosts on the way, each entered as ~/.ssh/config says of it; to the first of them there may be a way, too.

        InputError where it leads through more hosts than `longest`.
        """
        if self.jumps and not longest:
            raise InputError(
                f"the jump hosts on the way to {self.host} go in circles", fix="see ProxyJump in ~/.ssh/config"
            )
        hops = [resolve([*self.options, *_jump_words(jump)]) for jump in self.jumps]
        return [*hops[0].way(longest - 1), *hops] if hops else []


_JUMP = re.compile(r"(?:ssh://)?(?:(?P<user>.*)@)?(?:\[(?P<address>[^]]*)]|(?P<host>[^:]*))(?::(?P<port>\d+))?/?")


def _jump_words(jump: str) -> list[str]:
    """For ssh, of a host as ProxyJump has it: [user@]host[:port], also as a URI."""
    if not (found := _JUMP.fullmatch(jump)):
        raise InputError(f"{jump!r} is no jump host", fix="such as pi@gate.example.org:2222")
    options = [("-l", found["user"]), ("-p", found["port"])]
    return [*(word for option in options if option[1] for word in option), found["address"] or found["host"]]


def ssh_words(name: str, variables: Mapping[str, object]) -> list[str]:
    """The words between `ssh` and the command, as Ansible would have them for a host; the last is the destination.

    InputError where they make no sense.
    """

    def first(*variants: str) -> str | None:
        return next((str(variables[each]) for each in variants if variables.get(each)), None)

    def split(*names: str) -> list[str]:
        try:
            return [word for each in names for word in shlex.split(first(each) or "")]
        except ValueError:
            raise InputError(
                f"{' or '.join(names)} of {name} cannot be split into words", fix="close each quote"
            ) from None

    # ssh takes what it is told first, so the order is Ansible's.
    words = split("ansible_ssh_args")
    if port := first("ansible_port", "ansible_ssh_port"):
        if not port.isdecimal() or not 0 < int(port) <= _LAST_PORT:
            raise InputError(f"ansible_port of {name} is {port!r}, and no port", fix="a number from 1 to 65535")
        words += ["-p", port]
    if key := first("ansible_ssh_private_key_file", "ansible_private_key_file"):
        words += ["-i", str(Path(key).expanduser())]
    if user := first("ansible_user", "ansible_ssh_user"):
        words += ["-l", _no_option(name, "ansible_user", user)]
    words += split("ansible_ssh_common_args", "ansible_ssh_extra_args")
    host = first("ansible_host", "ansible_ssh_host") or name
    return [*words, _no_option(name, "ansible_host", host)]


def _no_option(name: str, variable: str, value: str) -> str:
    """Refuse a dash in front, which ssh or rsync could take for an option."""
    if value.startswith("-"):
        raise InputError(f"{variable} of {name} is {value!r}: it must not begin with a dash", fix="write it without")
    return value


def resolve(words: Sequence[str]) -> SshAddress:
    """Ask OpenSSH what these words mean; InputError where it does not know, MissingError where it is not installed."""
    command = ["ssh", "-G", *words[:-1], "--", words[-1]]
    try:
        told = subprocess.run(command, capture_output=True, text=True, check=False, timeout=RESOLVE_TIMEOUT_SECONDS)
    except FileNotFoundError:
        raise MissingError("ssh is not installed", fix="sudo apt install openssh-client") from None
    if told.returncode != 0:
        raise InputError(f"ssh does not understand {shlex.join(words)}: {'; '.join(told.stderr.splitlines())}")
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
