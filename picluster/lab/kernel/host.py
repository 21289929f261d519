"""Host of labs: a lock, so that labs change one at a time; its inotify instances; the user who typed sudo."""

import fcntl
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from picluster.errors import MissingError
from picluster.lab.places import LOCK
from picluster.wording import counted

LOCK_TIMEOUT_SECONDS = 2400
_POLL_SECONDS = 0.1
INSTANCES_PER_NODE = 8
"""Inotify instances of a node, one more than were counted: of systemd, its manager of the user, logind and dbus."""
_LIMIT = Path("/proc/sys/fs/inotify/max_user_instances")


@contextmanager
def locked(tell: Callable[[str], None]) -> Iterator[None]:
    """Let one process at a time change labs: they choose networks and make bases that others could choose and make too.

    The lock ends with this process, however that ends. MissingError where another process has held it for too long.
    """
    deadline = None
    with LOCK.open("a") as file:
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if deadline is None:
                    tell("waiting for another command about labs to end")
                    deadline = time.monotonic() + LOCK_TIMEOUT_SECONDS
                if time.monotonic() > deadline:
                    what = "another command about labs does not end"
                    raise MissingError(what, fix=f"see whose it is: fuser --verbose {LOCK}") from None
                time.sleep(_POLL_SECONDS)
        yield


def check_inotify(nodes: int) -> None:
    """Raise MissingError where root has too few inotify instances for the nodes: systemd would hang in silence."""
    if reason := shortage(nodes, int(_LIMIT.read_text()), instances_in_use()):
        raise MissingError(reason, fix="sudo sysctl fs.inotify.max_user_instances=1024, or fewer nodes")


def shortage(nodes: int, allowed: int, used: int) -> str | None:
    """Tell how many instances are missing; None where they suffice."""
    needed = nodes * INSTANCES_PER_NODE
    if used + needed <= allowed:
        return None
    what = f"{needed} inotify instances are needed for {counted(nodes, 'node')}"
    return f"{what}: the kernel allows root {allowed}, and {used} are in use"


def instances_in_use() -> int:
    """Count the inotify instances of all processes of root's that can be seen."""
    count = 0
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it has ended
            for descriptor in (process / "fd").iterdir() if process.stat().st_uid == 0 else ():
                with suppress(OSError):  # it was closed
                    count += str(descriptor.readlink()) == "anon_inode:inotify"
    return count


class Owner(NamedTuple):
    """A user and a group, by number."""

    user: int
    group: int


def invoker(environment: Mapping[str, str]) -> Owner:
    """Find the user who typed the command, also behind sudo."""
    user, group = environment.get("SUDO_UID", ""), environment.get("SUDO_GID", "")
    return Owner(int(user), int(group)) if user.isdecimal() and group.isdecimal() else Owner(os.getuid(), os.getgid())


def give_back_bytecode(owner: Owner) -> None:
    """Give the owner the bytecode that Python, run by root, has left beside modules of the owner's."""
    for module in list(sys.modules.values()):
        spec = getattr(module, "__spec__", None)
        if spec is None or not spec.has_location or not spec.cached or not Path(spec.cached).exists():
            continue
        if Path(spec.origin).stat().st_uid != owner.user:
            continue
        for path in (Path(spec.cached), Path(spec.cached).parent):
            if path.stat().st_uid != owner.user:
                os.chown(path, *owner)
