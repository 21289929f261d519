"""Files of host keys, in the form of sshd(8): which keys a host is known by, and how another one is recorded.

They are OpenSSH's own, so that Ansible, rsync and picluster trust the same.
"""

from __future__ import annotations

import base64
import hashlib
import os
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING

import paramiko

from picluster.errors import InputError

if TYPE_CHECKING:
    from picluster.controller.nodes.ssh.failures import Verdict

_HASHED = "|1|"


@dataclass(frozen=True)
class HostKey:
    """A public key of a host."""

    kind: str
    """Such as ssh-ed25519."""
    blob: bytes
    """As it goes over the wire."""

    @property
    def fingerprint(self) -> str:
        """As ssh-keygen -l shows it."""
        return "SHA256:" + base64.b64encode(hashlib.sha256(self.blob).digest()).decode().rstrip("=")

    def __str__(self) -> str:
        return f"{self.kind.removeprefix('ssh-')} {self.fingerprint}"

    def line(self, name: str) -> str:
        """Line of a file of known hosts."""
        return f"{name} {self.kind} {base64.b64encode(self.blob).decode()}\n"


@dataclass(frozen=True)
class _Entry:
    marker: str
    hosts: str
    key: HostKey


def lines_of(files: Iterable[Path]) -> Iterator[str]:
    """Lines of those of the files that can be read."""
    for file in files:
        with suppress(OSError):
            yield from file.read_text(encoding="utf-8", errors="replace").splitlines()


def known_keys(lines: Iterable[str], name: str) -> tuple[list[HostKey], list[HostKey]]:
    """The keys that a host of this name is known by, and those that are revoked for it."""
    found = [entry for entry in map(_entry, lines) if entry and _matches(entry.hosts, name)]
    return [each.key for each in found if not each.marker], [each.key for each in found if each.marker == "@revoked"]


def record(verdict: Verdict) -> Path:
    """Write a host's key down, in place of what was recorded of it; returns the file. InputError where none can be."""
    address, key = verdict.address, verdict.key
    if address.new_keys is None or (address.new_keys.exists() and not address.new_keys.is_file()):
        what = f"UserKnownHostsFile of {address.host} is {address.new_keys or 'none'}: nothing can be recorded there"
        raise InputError(what, fix="name a file, in ~/.ssh/config or ansible_ssh_common_args")
    file = address.new_keys.resolve()  # it may be a link into somebody's collection of settings
    name = address.known_name
    try:
        text = file.read_bytes().decode(errors="surrogateescape") if file.exists() else ""
        known, _ = known_keys(text.splitlines(), name)
        if known == [key]:
            return file
        kept = without(text, name)
        line = key.line(paramiko.HostKeys.hash_host(name) if address.hashes_names else name)
        _replace(file, kept + ("" if kept.endswith("\n") or not kept else "\n") + line)
    except OSError as error:
        raise InputError(f"cannot write {file}: {error.strerror}", fix="see its permissions, and free space") from error
    return file


def elsewhere(verdict: Verdict) -> list[Path]:
    """Files that still give the host another key than the one that it shows, and that `record` leaves alone."""
    name = verdict.address.known_name
    return [
        file
        for file in verdict.address.known_hosts
        if any(key != verdict.key for key in known_keys(lines_of([file]), name)[0])
    ]


def without(text: str, name: str) -> str:
    """The text without what is recorded of that host; a line that names others too keeps those."""
    return "".join(filter(None, (_line_without(line, name) for line in text.splitlines(keepends=True))))


def _line_without(line: str, name: str) -> str:
    entry = _entry(line)
    if entry is None or entry.marker:
        return line
    if entry.hosts.startswith(_HASHED):
        return "" if _matches(entry.hosts, name) else line
    hosts = entry.hosts.split(",")
    others = [host for host in hosts if host.lower() != name]
    if len(others) == len(hosts):
        return line
    # A line of nothing but exceptions would match nobody.
    return line.replace(entry.hosts, ",".join(others), 1) if any(not host.startswith("!") for host in others) else ""


def _entry(line: str) -> _Entry | None:
    words = line.split()
    marker = words.pop(0) if words and words[0].startswith("@") else ""
    try:
        hosts, kind, key = words[:3]
        return _Entry(marker, hosts, HostKey(kind, base64.b64decode(key, validate=True)))
    except ValueError:  # a comment, or nothing that we understand
        return None


def _matches(hosts: str, name: str) -> bool:
    if hosts.startswith(_HASHED):
        # Salt of another length than SHA-1's is no salt to paramiko, as to OpenSSH.
        with suppress(ValueError, AssertionError):
            return hosts == paramiko.HostKeys.hash_host(name, hosts)
        return False
    # Brackets stand for themselves here, as in [host]:port; fnmatch would take them for a choice.
    patterns = hosts.lower().replace("[", "[[]").split(",")
    if any(fnmatchcase(name, pattern[1:]) for pattern in patterns if pattern.startswith("!")):
        return False
    return any(fnmatchcase(name, pattern) for pattern in patterns)


def _replace(file: Path, text: str) -> None:
    """Write aside and rename, so that no reader ever sees half of it; its mode stays, or is 0600."""
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    mode = file.stat().st_mode & 0o777 if file.exists() else 0o600
    descriptor, aside = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}.")
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(text.encode(errors="surrogateescape"))
            os.fchmod(stream.fileno(), mode)
            os.fsync(stream.fileno())
        Path(aside).replace(file)
    except BaseException:
        Path(aside).unlink()
        raise
