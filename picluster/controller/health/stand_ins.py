"""Stand-ins for what is personal in records: the same one for the same thing, wherever it stands. Pure.

Names that are known are replaced wherever they stand as words; what has a form of its own (addresses, keys, home
folders) is found by it. What a field may only choose from, such as an engine's name, stays.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from string import ascii_lowercase
from typing import Any, Literal, TypeVar, get_args, get_origin, get_type_hints

import msgspec

from picluster.schema.record import Record

RecordType = TypeVar("RecordType", bound=Record)

_KEEP = {"", "/", "localhost"}
_PATTERNS = {
    "key": r"(?:(?:ssh|ecdsa|sk)-[\w@.-]+ )?AAAA[\w+/=]{20,}|(?:SHA256|MD5):[\w+/=:]{20,}"
    r"|-----BEGIN [A-Z ]*KEY-----[\s\S]*?-----END [A-Z ]*KEY-----",
    "device": r"\b(?:enx|wlx)[0-9a-f]{12}\b",
    "hardware": r"\b(?:[0-9A-Fa-f]{2}[:-]){5}[0-9A-Fa-f]{2}\b",
    "six": r"(?<![\w:.])(?:[0-9A-Fa-f]{0,4}:){2,7}[0-9A-Fa-f]{0,4}(?![\w:])",
    "four": r"(?<![\w.])(?:\d{1,3}\.){3}\d{1,3}(?!\w|\.\d)",
    "home": r"/(?:home|Users)/[^/\s'\":,;()]+|(?<![\w./])/root\b",
    "account": r"\b[\w.+-]+@[\w-]+(?:\.[\w-]+)*",
    "host": r"\b[\w-]+\.(?:local|lan|home|internal|localdomain|fritz\.box)\b",
}


@dataclass(frozen=True, kw_only=True)
class Known:
    """Personal words that are known beforehand. The first of a kind get the first stand-ins."""

    nodes: Sequence[str] = ()
    hosts: Sequence[str] = ()
    users: Sequence[str] = ()
    networks: Sequence[str] = ()
    addresses: Sequence[str] = ()
    folders: Sequence[tuple[str, str]] = ()
    """Folders, and what stands for each."""


class StandIns:
    """Replaces personal words in texts and records; remembers what stands for what."""

    def __init__(self, known: Known) -> None:
        self._found: dict[str, dict[str, str]] = {}
        self._words = {folder.rstrip("/"): stand_in for folder, stand_in in known.folders if folder not in _KEEP}
        kinds = {"node": known.nodes, "host": known.hosts, "user": known.users, "network": known.networks}
        for kind, words in kinds.items():
            for word in words:
                if word not in {*self._words, *_KEEP} and not _is_address(word, kind):
                    self._words[word] = self._next(kind, word)
        longest_first = sorted({*self._words, *(word.lower() for word in self._words)}, key=len, reverse=True)
        whole = "|".join(rf"(?<!\w){re.escape(word)}(?!\w)" for word in longest_first) or r"(?!)"
        named = (f"(?P<{kind}>{pattern})" for kind, pattern in _PATTERNS.items())
        self._pattern = re.compile("|".join([f"(?P<known>{whole})", *named]))
        for address in known.addresses:
            self.text(address)

    def text(self, text: str) -> str:
        """The same text with stand-ins."""
        return self._pattern.sub(self._stand_in, text)

    def record(self, record: RecordType) -> RecordType:
        """The same record with stand-ins in all its texts."""
        replaced: RecordType = self._within(record, type(record))
        return replaced

    def _within(self, value: Any, kind: Any) -> Any:
        if isinstance(value, str):
            return value if _is_choice(kind) else self.text(value)
        if isinstance(value, msgspec.Struct):
            kinds = get_type_hints(type(value))
            return type(value)(
                **{name: self._within(getattr(value, name), kinds[name]) for name in value.__struct_fields__}
            )
        if isinstance(value, tuple):
            return tuple(self._within(each, kind) for each in value)
        if isinstance(value, dict):
            return {self.text(name): self._within(each, kind) for name, each in value.items()}
        return value

    def _stand_in(self, match: re.Match[str]) -> str:
        kind, found = match.lastgroup or "", match.group()
        if kind == "known":
            return self._words.get(found) or next(s for word, s in self._words.items() if word.lower() == found)
        made: Callable[[str], str] | None = _FORMS.get(kind)
        if made is not None and (same := made(found)):
            return same
        return self._next(kind, found)

    def _next(self, kind: str, word: str) -> str:
        """Stand-in for a word of a kind, from now on."""
        found = self._found.setdefault(kind, {})
        return found.setdefault(word.lower(), _NAMES[kind](len(found)))


def _is_choice(kind: Any) -> bool:
    """True of a field's type that lists what it may be."""
    return get_origin(kind) is Literal or any(map(_is_choice, get_args(kind)))


def _is_address(word: str, kind: str) -> bool:
    """True of the address of a machine, which is replaced as such; a node that is called so in the inventory is one."""
    with suppress(ValueError):
        return kind != "node" and bool(ipaddress.ip_address(word))
    return False


def _kept_address(text: str) -> str:
    """The same text where it is no address, or none that tells of a network."""
    with suppress(ValueError):
        address = ipaddress.ip_address(text)
        return text if address.is_loopback or address.is_unspecified else ""
    return text


def _letters(number: int) -> str:
    """Letters for a number, counted from 0: a, b … z, aa."""
    before, last = divmod(number, len(ascii_lowercase))
    return (_letters(before - 1) if before else "") + ascii_lowercase[last]


_FORMS: dict[str, Callable[[str], str]] = {
    "six": _kept_address,
    "four": _kept_address,
    "home": lambda _: "/home/user",
    "account": lambda _: "user@host",
}
"""Functions for what is always the same for a kind, or may stay as it is; empty where it is neither."""
_NAMES: dict[str, Callable[[int], str]] = {
    "node": lambda number: f"node-{_letters(number)}",
    "host": lambda number: f"host-{number + 1}",
    "user": lambda number: f"user-{number + 1}" if number else "user",
    "network": lambda number: f"network-{number + 1}",
    "key": lambda number: f"key-{number + 1}",
    "device": lambda number: f"interface-{number + 1}",
    "hardware": lambda number: f"02:00:00:00:{number >> 8:02x}:{number & 255:02x}",
    "six": lambda number: f"2001:db8::{number + 1:x}",
    "four": lambda number: f"192.0.2.{number + 1}" if number < 254 else f"198.18.{number >> 8}.{number & 255}",  # noqa: PLR2004
}
"""Stand-ins by number, from 0. Addresses are of ranges kept for examples (RFC 5737, 3849)."""
