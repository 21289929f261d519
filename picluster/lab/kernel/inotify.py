"""Whether the kernel will give the nodes the inotify instances that systemd needs: without them it hangs in silence."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from picluster.errors import MissingError
from picluster.wording import counted

INSTANCES_PER_NODE = 8
"""Seven were counted: systemd, its manager of the user, logind, dbus."""
_LIMIT = Path("/proc/sys/fs/inotify/max_user_instances")


def check_inotify(nodes: int) -> None:
    """Refuse more nodes than can be watched.

    Raises:
        MissingError: root's instances do not suffice; says how to raise their number.
    """
    allowed, used = int(_LIMIT.read_text()), instances_in_use()
    if reason := shortage(nodes, allowed, used):
        raise MissingError(reason, fix="sudo sysctl fs.inotify.max_user_instances=1024, or fewer nodes")


def shortage(nodes: int, allowed: int, used: int) -> str | None:
    """What is wrong where it is."""
    needed = nodes * INSTANCES_PER_NODE
    if used + needed <= allowed:
        return None
    what = f"{needed} inotify instances are needed for {counted(nodes, 'node')}"
    return f"{what}: the kernel allows root {allowed}, and {used} are in use"


def instances_in_use() -> int:
    """By all processes of root's that can be seen."""
    return sum(_instances(process) for process in Path("/proc").glob("[0-9]*"))


def _instances(process: Path) -> int:
    count = 0
    with suppress(OSError):  # it has ended
        if process.stat().st_uid == 0:
            for descriptor in (process / "fd").iterdir():
                with suppress(OSError):  # it was closed
                    count += str(descriptor.readlink()) == "anon_inode:inotify"
    return count
