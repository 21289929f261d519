"""A worker's word that it has taken this machine: a file that it holds locked for as long as it lives.

The lock goes with the process, however that ends, so nothing has to be cleaned up. `errands/claims.py` reads them.
"""

from __future__ import annotations

import fcntl
import os
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import msgspec

from picluster.errors import RunFailed
from picluster.worker.errands.claims import claims, claims_folder, is_held

if TYPE_CHECKING:
    from pathlib import Path

    from picluster.schema.job import Claim

GATE = "gate"
_EVERYBODY_WRITES = 0o666


def hold(claim: Claim) -> None:
    """Claim this machine for a run, until `release` or the end of this process.

    Raises:
        RunFailed: another run's worker has it.
    """
    folder = claims_folder()
    _make(folder)
    gate = _open_gate(folder / GATE)
    try:
        fcntl.flock(gate, fcntl.LOCK_EX)
        if claim.is_exclusive:
            refuse_if_busy(claim, claims())
        _sweep(folder)
        _hold(folder / f"{os.getpid()}.json", claim)
    finally:
        os.close(gate)


def release() -> None:
    """Take this process's word back, if it gave one."""
    with suppress(OSError):
        (claims_folder() / f"{os.getpid()}.json").unlink()


def refuse_if_busy(claim: Claim, held: list[dict[str, Any]]) -> None:
    """RunFailed where a worker of another run has claimed this machine for itself."""
    for other in held:
        if other.get("is_exclusive") and other.get("run") != claim.run:
            since = time.strftime("%H:%M", time.localtime(other["since"]))
            what = f"busy with run {other['run']} of user {other['controller']['user']} since {since}"
            raise RunFailed(what, fix="wait for its end: picluster launch --wait")


def _make(folder: Path) -> None:
    """A folder in which every user may leave word, and nobody may remove another's."""
    with suppress(FileExistsError):
        folder.mkdir(parents=True)
        folder.chmod(0o1777)


def _open_gate(file: Path) -> int:
    """Through which one worker goes at a time.

    It is opened without O_CREAT where it exists: fs.protected_regular refuses that flag for another user's file in a
    folder that everybody may write to.
    """
    while True:
        with suppress(FileNotFoundError):
            return os.open(file, os.O_RDWR | os.O_CLOEXEC)
        with suppress(FileExistsError):
            gate = os.open(file, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC)
            os.fchmod(gate, _EVERYBODY_WRITES)
            return gate


def _hold(file: Path, claim: Claim) -> None:
    """The descriptor stays open, and with it the lock."""
    with suppress(FileNotFoundError):
        file.unlink()
    descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    words = msgspec.to_builtins(claim) | {"pid": os.getpid(), "group": os.getpgid(0), "since": time.time()}
    os.write(descriptor, msgspec.json.encode(words))


def _sweep(folder: Path) -> None:
    """Remove the files of workers that are gone, as far as they are ours."""
    for file in folder.glob("*.json"):
        with suppress(OSError):
            with file.open("rb") as stream:
                gone = not is_held(stream)
            if gone:
                file.unlink()
