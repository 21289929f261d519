"""Faults of a node, and their repair."""

import errno
import os
from collections.abc import Callable, Iterator
from enum import Enum
from pathlib import Path

from picluster.lab.kernel.commands import check_root, run_all
from picluster.lab.kernel.control_groups import (
    freeze,
    hierarchies,
    is_frozen,
    kill,
    make_groups,
    processes,
    remove_groups,
)
from picluster.lab.kernel.host import locked
from picluster.lab.kernel.network import disconnect, links_up, node_commands, port_names, set_links
from picluster.lab.machine.base import BaseKind, base_folder
from picluster.lab.machine.disk import devices
from picluster.lab.machine.emulation import ENVIRONMENT, begin_emulation
from picluster.lab.machine.environment import own_environment
from picluster.lab.machine.machine import boot, wait_for_ssh
from picluster.lab.machine.own_files import own_base, own_mounts
from picluster.lab.places import NAMESPACES, LabPlaces
from picluster.lab.spec import LabSpec, NodeSpec
from picluster.lab.state import read_spec


class Fault(Enum):
    """Faults of a node, and their repair, by the option that causes them."""

    KILL = "--kill"
    LINK_DOWN = "--link-down"
    FREEZE = "--freeze"
    FILL_DISK = "--fill-disk"
    RESTORE = "--restore"


_BLOCK_BYTES = 1024  # the smallest block that ext4 gives


def break_it(lab_name: str, node_name: str, fault: Fault, tell: Callable[[str], None]) -> list[str]:
    """Cause a fault of a node, or repair all of them; returns what was done, in words."""
    check_root("break")
    with locked(tell):
        lab = read_spec(lab_name)
        node, at = lab.node(node_name), LabPlaces(lab_name).node(node_name)
        match fault:
            case Fault.KILL:
                set_links(lab, node, up=False)  # first, so that no connection is closed properly
                kill(hierarchies(), at.group)
                return ["dead"]
            case Fault.LINK_DOWN:
                set_links(lab, node, up=False)
                return ["link down"]
            case Fault.FREEZE:  # its kernel still answers, as that of a machine which hangs may
                freeze(hierarchies(), at.group, frozen=True)
                return ["frozen"]
            case Fault.FILL_DISK:
                fill(at.filler)
                return ["disk full"]
            case Fault.RESTORE:
                return list(restore(lab, node)) or ["was whole"]


def start(lab: LabSpec, node: NodeSpec) -> None:
    """Boot a node whose disk and network are there; returns at once."""
    places, groups = LabPlaces(lab.name), hierarchies()
    at = places.node(node.name)
    remove_groups(groups, at.group)  # with what was charged to it before it died
    kind = BaseKind(release=node.release, fresh=lab.fresh, emulated=lab.emulated)
    base = own_base(at, node.release) if lab.own_files else base_folder(kind)
    make_groups(groups, places.group, at.group, node, devices(at, base))
    if lab.emulated:
        begin_emulation()
    mounts = {} if lab.fresh else own_environment().mounts()
    if lab.own_files:
        mounts = own_mounts(at, mounts)
    boot(groups, node, at, mounts, ENVIRONMENT if lab.emulated else {})


def fill(path: Path) -> None:
    """Make a file that leaves no byte free on its disk."""
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        size, step = 0, os.fstatvfs(file).f_bfree * os.fstatvfs(file).f_frsize
        while step >= _BLOCK_BYTES:
            try:
                os.posix_fallocate(file, size, step)
                size += step
            except OSError as error:
                if error.errno not in (errno.ENOSPC, errno.EFBIG):
                    raise
                step //= 2
    finally:
        os.close(file)


def restore(lab: LabSpec, node: NodeSpec) -> Iterator[str]:
    """Repair a node: free its disk, let it go on, boot it, plug its cables in; yields what had to be done."""
    places, groups = LabPlaces(lab.name), hierarchies()
    at = places.node(node.name)
    if at.filler.exists():
        at.filler.unlink()
        yield "disk freed"
    if is_frozen(groups, at.group):
        freeze(groups, at.group, frozen=False)
        yield "goes on"
    if not processes(groups, at.group):
        if (NAMESPACES / at.namespace).exists():
            disconnect(lab, node)
        run_all(node_commands(lab, node))
        start(lab, node)
        yield "booted"
    elif not all(links_up(lab)[port] for port in port_names(node)):
        set_links(lab, node, up=True)
        yield "link up"
    wait_for_ssh(lab, [node])
