"""Control groups of a lab: made, frozen, read, their processes ended, removed."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from picluster.errors import MissingError
from picluster.lab.kernel.control_groups import KEEPER, Hierarchies, enabling, freezing, limiting, read_hierarchies
from picluster.lab.spec import NodeSpec

KILL_TIMEOUT_SECONDS = 20
_POLL_SECONDS = 0.02
_OPTIONAL = ("memory.memsw.limit_in_bytes", "memory.swap.max", "cgroup.subtree_control")
"""Files that are missing where the kernel does not account for swap, or lacks a controller; a limit then says which."""


def hierarchies() -> Hierarchies:
    """Read this machine's hierarchies of control groups."""
    return read_hierarchies(Path("/proc/mounts").read_text())


def make_groups(found: Hierarchies, lab_group: str, group: str, node: NodeSpec, devices: tuple[str, ...]) -> None:
    """Make the node's group in every hierarchy, with its limits; MissingError where the kernel refuses one."""
    for place in found.places:
        (place / group).mkdir(parents=True, exist_ok=True)
        if found.version == 2:  # noqa: PLR2004
            (place / group / KEEPER).mkdir(exist_ok=True)
    for file, value in (*enabling(found, lab_group, group), *limiting(found, group, node, devices)):
        try:
            file.write_text(value)
        except OSError as error:
            if file.name in _OPTIONAL:
                continue
            raise MissingError(
                f"node {node.name}: the kernel does not take {value} for {file}: {error.strerror}",
                fix="see that the control groups memory, cpu and io are on: cgroup_enable=memory on the kernel's line",
            ) from error


def processes(found: Hierarchies, group: str) -> list[int]:
    """List the processes in a group and in those below it."""
    listed: list[int] = []
    for folder in _folders(found.tracking(group)):
        with suppress(OSError):  # it has just ended
            listed += map(int, (folder / "cgroup.procs").read_text().split())
    return listed


def is_frozen(found: Hierarchies, group: str) -> bool:
    """Tell whether the machine has been stopped by `freeze`."""
    file, _ = freezing(found, group, frozen=True)
    try:
        return file.read_text().strip() in ("FROZEN", "FREEZING", "1")
    except OSError:
        return False


def freeze(found: Hierarchies, group: str, *, frozen: bool) -> None:
    """Stop every process of a machine where it is, or let it go on."""
    file, value = freezing(found, group, frozen=frozen)
    if file.exists():
        file.write_text(value)


def kill(found: Hierarchies, group: str) -> None:
    """End all processes in a group at once, frozen ones too; raises MissingError where one does not end in time."""
    deadline = time.monotonic() + KILL_TIMEOUT_SECONDS
    while left := processes(found, group):
        if time.monotonic() > deadline:
            raise MissingError(f"processes {left} of {group} do not end", fix="see what they wait for: /proc/PID/stack")
        for pid in left:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        for folder in _folders(found.tracking(group)):
            with suppress(FileNotFoundError):  # frozen processes die only when they go on
                freeze(found, str(folder.relative_to(found.tracking(""))), frozen=False)
        time.sleep(_POLL_SECONDS)


def remove_groups(found: Hierarchies, group: str) -> bool:
    """End the processes in a group and remove it with all below it, in every hierarchy; tells whether there was one.

    The hierarchy that processes join first goes first: a process that comes later cannot join, and ends.
    """
    folders = [folder for place in found.places for folder in _folders(place / group)]
    for folder in folders:
        deadline = time.monotonic() + KILL_TIMEOUT_SECONDS
        while folder.exists():
            try:
                folder.rmdir()
            except OSError:  # the last process is still on its way out, or another one has just come
                if time.monotonic() > deadline:
                    raise
                kill(found, group)
                time.sleep(_POLL_SECONDS)
    return bool(folders)


def _folders(group: Path) -> Iterator[Path]:
    """List a group and all below it, the lowest first."""
    for folder, _, _ in os.walk(group, topdown=False):
        yield Path(folder)
