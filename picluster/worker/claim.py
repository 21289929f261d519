"""Claims of workers: a file in a folder that all users share, which a worker holds locked for as long as it lives.

The lock ends with the process, however that ends, so nothing has to be cleaned up. `agent/claims.py` reads the files.
"""

from __future__ import annotations

import fcntl
import os
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec

from picluster.agent.claims import claims, claims_folder, is_held
from picluster.errors import RunFailed
from picluster.schema.job import Claim

PATIENCE_SECONDS = 5.0
"""Time that a launch that was typed earlier waits for a later one, which may be about to give way to it elsewhere."""
_LOOK_SECONDS = 0.05


def hold(claim: Claim, patience_seconds: float = PATIENCE_SECONDS) -> None:
    """Claim this machine for a run, until `release` or the end of this process.

    The claim is made first, and the others are looked at afterwards: of two launches at the same moment at least one
    sees the other. Each may get some of the nodes that both want; then the later one gives way at once and the earlier
    one waits for that, so that one of them gets all (wait-die, Rosenkrantz et al. 1978).

    Raises:
        RunFailed: another run's worker has it, and keeps it.
    """
    folder = claims_folder()
    with suppress(FileExistsError):
        folder.mkdir(parents=True)
        folder.chmod(0o1777)  # every user may leave claims, and nobody may remove another's
    _sweep(folder)
    _publish(folder, claim)
    deadline = time.monotonic() + patience_seconds
    while rivals := _rivals(claim):
        launched = (claim.controller.started, claim.run)  # it is in the claims, so all nodes see the same order
        is_later = any((float(each["controller"]["started"]), str(each["run"])) < launched for each in rivals)
        if is_later or time.monotonic() > deadline:
            release()
            rival = rivals[0]
            since = time.strftime("%H:%M", time.localtime(rival["since"]))
            what = f"busy with run {rival['run']} of user {rival['controller']['user']} since {since}"
            raise RunFailed(what, fix="wait for its end: picluster launch --wait", fault="refused")
        time.sleep(_LOOK_SECONDS)


def release() -> None:
    """Withdraw this process's claim, if it made one."""
    for file in claims_folder().glob(f"{os.getpid()}-*.json"):
        with suppress(OSError):
            file.unlink()


def _rivals(claim: Claim) -> list[dict[str, Any]]:
    """List the claims of other runs that want this machine for themselves as this one does, the oldest first."""
    if not claim.is_exclusive:
        return []
    rivals = [other for other in claims() if other.get("is_exclusive") and other.get("run") != claim.run]
    return sorted(rivals, key=lambda rival: float(rival["since"]))


def _publish(folder: Path, claim: Claim) -> None:
    """Write the claim's file and lock it before it gets the name that others look for.

    The descriptor stays open, and with it the lock. The name is never used again, so `_sweep` of another worker, which
    has found a dead one's file, cannot remove this one.
    """
    file = folder / f"{os.getpid()}-{time.time_ns()}.json"
    unseen = file.with_suffix(".part")
    descriptor = os.open(unseen, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    words = msgspec.to_builtins(claim) | {"pid": os.getpid(), "group": os.getpgid(0), "since": time.time()}
    os.write(descriptor, msgspec.json.encode(words))
    unseen.rename(file)


def _sweep(folder: Path) -> None:
    """Remove the claims of workers that are gone, as far as this user may."""
    for file in folder.glob("*.json"):
        with suppress(OSError):
            with file.open("rb") as stream:
                gone = not is_held(stream)
            if gone:
                file.unlink()
