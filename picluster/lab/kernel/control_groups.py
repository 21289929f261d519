"""Control groups, versions 1 and 2, by which the kernel limits, freezes, measures and ends a machine.

First the names and values of their files, then what is done with them. A host with v1 controllers counts as v1, even
where a v2 hierarchy without controllers stands beside them (systemd's hybrid form).
"""

import os
import signal
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from picluster.errors import MissingError
from picluster.lab.spec import NodeSpec

_PERIOD_US = 100_000
_V2_CONTROLLERS = ("cpu", "memory", "io", "pids")
_V1_NEEDED = ("memory", "cpu", "blkio", "freezer", "name=systemd")
_V1_HELPFUL = ("cpuacct", "pids")
_UNIFIED = "unified"
KILL_TIMEOUT_SECONDS = 20
_POLL_SECONDS = 0.02
_OPTIONAL = ("memory.memsw.limit_in_bytes", "memory.swap.max", "cgroup.subtree_control")
"""Files that are missing where the kernel does not account for swap, or lacks a controller; a limit then says which."""
KEEPER = "keeper"
"""On v2: the group of the shell that starts the machine, since one with controllers below it holds no process."""


@dataclass(frozen=True)
class Hierarchies:
    """Mount points of the control groups."""

    version: int
    roots: Mapping[str, Path]
    """Mount points by controller; `unified` is v2's."""

    @property
    def places(self) -> tuple[Path, ...]:
        """Each mount point once, since controllers may share one; the tracking one first."""
        return tuple(dict.fromkeys((self.tracking(""), *self.roots.values())))

    def tracking(self, group: str) -> Path:
        """The group by which processes are found: none can leave it from inside."""
        return self.roots[_UNIFIED if self.version == 2 else "freezer"] / group  # noqa: PLR2004


def read_hierarchies(mounts: str) -> Hierarchies:
    """Read mount points from the text of /proc/mounts; MissingError where a controller that labs need has none."""
    lines = [line.split(" ") for line in mounts.splitlines()]
    v1 = {
        controller: Path(place)
        for _, place, kind, options, *_ in lines
        if kind == "cgroup"
        for controller in options.split(",")
        if controller in (*_V1_NEEDED, *_V1_HELPFUL)
    }
    unified = [Path(place) for _, place, kind, *_ in lines if kind == "cgroup2"]
    v2 = {_UNIFIED: unified[0]} if unified else {}
    if "memory" not in v1 and v2:
        return Hierarchies(2, v2)
    if missing := [controller for controller in _V1_NEEDED if controller not in v1]:
        raise MissingError(f"this kernel has no control groups for {', '.join(missing)}")
    return Hierarchies(1, v1 | v2)


def enabling(hierarchies: Hierarchies, lab_group: str, group: str) -> list[tuple[Path, str]]:
    """List the files and values that hand v2's controllers down to the node's group and those below; for v1 none."""
    if hierarchies.version == 1:
        return []
    root = hierarchies.roots[_UNIFIED]
    folders = (root, root / lab_group, root / group)
    return [(folder / "cgroup.subtree_control", f"+{name}") for folder in folders for name in _V2_CONTROLLERS]


def limiting(hierarchies: Hierarchies, group: str, node: NodeSpec, devices: tuple[str, ...]) -> list[tuple[Path, str]]:
    """List the files of a node's limits, and their values, in this order."""
    quota_us = max(1000, round(node.cpus * _PERIOD_US))
    memory = str(node.memory_bytes)
    reads = node.random_reads
    if hierarchies.version == 1:
        memory_group = hierarchies.roots["memory"] / group
        cpu_group, disk_group = hierarchies.roots["cpu"] / group, hierarchies.roots["blkio"] / group
        return [
            (memory_group / "memory.limit_in_bytes", memory),
            (memory_group / "memory.memsw.limit_in_bytes", memory),
            (cpu_group / "cpu.cfs_period_us", str(_PERIOD_US)),
            (cpu_group / "cpu.cfs_quota_us", str(quota_us)),
            *((disk_group / "blkio.throttle.read_iops_device", f"{device} {reads}") for device in devices if reads),
        ]
    folder = hierarchies.roots[_UNIFIED] / group
    return [
        (folder / "memory.max", memory),
        (folder / "memory.swap.max", "0"),
        (folder / "cpu.max", f"{quota_us} {_PERIOD_US}"),
        *((folder / "io.max", f"{device} riops={reads}") for device in devices if reads),
    ]


def joining(hierarchies: Hierarchies, group: str) -> list[Path]:
    """List the files into which a process writes itself to belong to the machine."""
    if hierarchies.version == 1:
        return [place / group / "cgroup.procs" for place in hierarchies.places]
    return [hierarchies.roots[_UNIFIED] / group / KEEPER / "cgroup.procs"]


def freezing(hierarchies: Hierarchies, group: str, *, frozen: bool) -> tuple[Path, str]:
    """Name the file that stops and continues a whole machine, and its value."""
    if hierarchies.version == 1:
        return hierarchies.roots["freezer"] / group / "freezer.state", "FROZEN" if frozen else "THAWED"
    return hierarchies.roots[_UNIFIED] / group / "cgroup.freeze", "1" if frozen else "0"


def memory_files(hierarchies: Hierarchies, group: str) -> tuple[Path, Path]:
    """Name the files that tell how much memory is used in all, and of which kind."""
    if hierarchies.version == 1:
        folder = hierarchies.roots["memory"] / group
        return folder / "memory.usage_in_bytes", folder / "memory.stat"
    folder = hierarchies.roots[_UNIFIED] / group
    return folder / "memory.current", folder / "memory.stat"


def anonymous_bytes(hierarchies: Hierarchies, stat: str) -> int:
    """Read from the text of memory.stat the bytes that are no pages of files."""
    wanted = "total_rss" if hierarchies.version == 1 else "anon"
    values = dict(line.split(" ") for line in stat.splitlines())
    return int(values.get(wanted, 0))


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
