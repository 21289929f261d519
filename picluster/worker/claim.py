"""A worker's word that it has taken this machine: a file that it holds locked for as long as it lives.

The lock goes with the process, however that ends, so nothing has to be cleaned up. `agent/claims.py` reads them.
"""

from __future__ import annotations

import fcntl
import os
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import msgspec

from picluster.agent.claims import claims, claims_folder, is_held
from picluster.errors import RunFailed

if TYPE_CHECKING:
    from pathlib import Path

    from picluster.schema.job import Claim

GATE = "gate"
PATIENCE_SECONDS = 5.0
"""How long a launch that was typed earlier waits for a later one, which may be about to give way to it elsewhere."""
_LOOK_SECONDS = 0.05
_EVERYBODY_WRITES = 0o666


def hold(claim: Claim, patience_seconds: float = PATIENCE_SECONDS) -> None:
    """Claim this machine for a run, until `release` or the end of this process.

    Two launches at the same moment may each get some of the nodes that both want. The later one gives way at once,
    the earlier one waits for that: one of them gets all (wait-die, Rosenkrantz et al. 1978).

    Raises:
        RunFailed: another run's worker has it, and keeps it.
    """
    folder = claims_folder()
    _make(folder)
    deadline = time.monotonic() + patience_seconds
    while True:
        gate = _open_gate(folder / GATE)
        try:
            fcntl.flock(gate, fcntl.LOCK_EX)
            rival = _rival(claim, claims()) if claim.is_exclusive else None
            if rival is None:
                _sweep(folder)
                _hold(folder / f"{os.getpid()}.json", claim)
                return
        finally:
            os.close(gate)
        if _is_earlier(rival, claim) or time.monotonic() > deadline:
            since = time.strftime("%H:%M", time.localtime(rival["since"]))
            what = f"busy with run {rival['run']} of user {rival['controller']['user']} since {since}"
            raise RunFailed(what, fix="wait for its end: picluster launch --wait")
        time.sleep(_LOOK_SECONDS)


def release() -> None:
    """Take this process's word back, if it gave one."""
    with suppress(OSError):
        (claims_folder() / f"{os.getpid()}.json").unlink()


def _rival(claim: Claim, held: list[dict[str, Any]]) -> dict[str, Any] | None:
    """The claim of another run that has this machine for itself."""
    rivals = (other for other in held if other.get("is_exclusive") and other.get("run") != claim.run)
    return next(rivals, None)


def _is_earlier(rival: dict[str, Any], claim: Claim) -> bool:
    """Whether the other run was launched before; any order would do that all nodes agree on."""
    mine = (claim.controller.started, claim.run)
    return (float(rival["controller"]["started"]), str(rival["run"])) < mine


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
