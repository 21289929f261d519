"""Files that were shipped to a node, verified by their checksums once in every start of the node.

A file's size, times, number and the node's start are remembered beside it with the checksum that it had. So a file that
was cut short when the power went is found before it is used again, and a file that is as it was is not read anew.
"""

from __future__ import annotations

import hashlib
import json
import os
from contextlib import suppress
from pathlib import Path

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_REMEMBERED = ".verified.json"
_BOOT = Path("/proc/sys/kernel/random/boot_id")


def verified(folder: Path, names: list[str]) -> dict[str, str]:
    """Checksums that are known of these files, of those that are as they were when they were verified."""
    known = _remembered(folder)
    return {name: known[name][1] for name in names if name in known and known[name][0] == _stamp(folder / name)}


def damaged(folder: Path, checksums: dict[str, str]) -> list[str]:
    """Names of the files in a folder that are not there with these checksums (SHA-256); remembers the others."""
    known = verified(folder, list(checksums))
    bad, good = [], _remembered(folder)
    for name, expected in checksums.items():
        stamp = _stamp(folder / name)  # before it is read: what changes meanwhile is no longer known
        if (known.get(name) or _sha256(folder / name)) == expected:
            good[name] = [stamp, expected]
        else:
            bad.append(name)
            good.pop(name, None)
    _remember(folder, good)
    return bad


def _stamp(file: Path) -> str:
    """Words that are others when the file was written anew, or the node started."""
    with suppress(OSError):
        state, boot = file.stat(), _BOOT.read_text() if _BOOT.exists() else ""
        return f"{state.st_size} {state.st_mtime_ns} {state.st_ctime_ns} {state.st_ino} {boot.strip()}"
    return ""


def _sha256(file: Path) -> str:
    with suppress(OSError), file.open("rb") as stream:
        digest = hashlib.sha256()
        while piece := stream.read(1 << 20):
            digest.update(piece)
        return digest.hexdigest()
    return ""


def _remembered(folder: Path) -> dict[str, Any]:
    """Stamp and checksum by name; nothing where it cannot be read."""
    with suppress(OSError, ValueError):
        found: Any = json.loads((folder / _REMEMBERED).read_text())
        if isinstance(found, dict):
            return {name: each for name, each in found.items() if isinstance(each, list) and len(each) == 2}  # noqa: PLR2004
    return {}


def _remember(folder: Path, known: dict[str, Any]) -> None:
    with suppress(OSError):  # then they are read again the next time
        aside = folder / f"{_REMEMBERED}.{os.getpid()}"
        aside.write_text(json.dumps(known))
        aside.replace(folder / _REMEMBERED)
