"""Files of host keys, in the form of sshd(8): which keys a host is known by, and the text with other ones."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

_HASHED = "|1|"
_REVOKED = "@revoked"


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
    return [each.key for each in found if not each.marker], [each.key for each in found if each.marker == _REVOKED]


def without(text: str, name: str) -> str:
    """The text without what is recorded of that host; a line that names others too keeps those."""
    return "".join(filter(None, (_line_without(line, name) for line in text.splitlines(keepends=True))))


def hashed(name: str, salt: bytes) -> str:
    """A host's name as HashKnownHosts writes it; 20 random bytes of salt."""
    return f"{_HASHED}{base64.b64encode(salt).decode()}|{base64.b64encode(_digest(name, salt)).decode()}"


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
    except (ValueError, binascii.Error):  # a comment, or nothing that we understand
        return None


def _matches(hosts: str, name: str) -> bool:
    if hosts.startswith(_HASHED):
        try:
            salt, digest = (base64.b64decode(part) for part in hosts.removeprefix(_HASHED).split("|"))
        except ValueError:
            return False
        return hmac.compare_digest(_digest(name, salt), digest)
    patterns = hosts.lower().split(",")
    if any(fnmatchcase(name, _literal(pattern[1:])) for pattern in patterns if pattern.startswith("!")):
        return False
    return any(fnmatchcase(name, _literal(pattern)) for pattern in patterns)


def _literal(pattern: str) -> str:
    """Brackets stand for themselves here, as in [host]:port; fnmatch would take them for a choice."""
    return re.sub(r"\[", "[[]", pattern)


def _digest(name: str, salt: bytes) -> bytes:
    return hmac.new(salt, name.encode(), hashlib.sha1).digest()
