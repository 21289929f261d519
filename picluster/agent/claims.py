"""Claims of the workers on this machine: files that each holds locked for as long as it lives.

As a program, which Ansible's role base installs for apt's timers: exit code 1 and the runs' names while a worker holds
its claim, else 0.
"""

from __future__ import annotations

import fcntl
import json
import sys
from contextlib import suppress
from pathlib import Path

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, BinaryIO

CLAIMS = "picluster"


def claims() -> list[dict[str, Any]]:
    """Claims on this machine, of whichever user: those whose process holds its file locked."""
    held = []
    for file in sorted(claims_folder().glob("*.json")):
        with suppress(OSError, ValueError), file.open("rb") as stream:
            if is_held(stream):
                held.append(json.loads(stream.read() or b"{}"))
    return held


def is_held(stream: BinaryIO) -> bool:
    """True where some process holds the open file locked."""
    try:
        fcntl.flock(stream, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    return False


def claims_folder() -> Path:
    """Folder of all users' claims: in memory that a reboot clears, where the machine has such a place."""
    shared = Path("/run/lock")
    if shared.is_dir() and shared.stat().st_mode & 0o002:
        return shared / CLAIMS
    import tempfile

    return Path(tempfile.gettempdir()) / CLAIMS


def main() -> int:
    """The exit code."""
    runs = sorted({str(claim.get("run", "?")) for claim in claims()})
    sys.stdout.writelines(f"{run}\n" for run in runs)
    return 1 if runs else 0


if __name__ == "__main__":
    sys.exit(main())
