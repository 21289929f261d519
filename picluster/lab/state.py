"""State of a lab, read from the kernel at the moment of asking."""

import os
from contextlib import suppress
from typing import Literal

from picluster.errors import InputError
from picluster.lab.kernel.control_groups import anonymous_bytes, hierarchies, is_frozen, memory_files, processes
from picluster.lab.kernel.network import links_up, port_names
from picluster.lab.places import LabPlaces, NodePlaces, boot_id
from picluster.lab.spec import LabSpec, NodeSpec, check_name
from picluster.schema.record import Record, from_json

State = Literal["running", "frozen", "link down", "dead"]


class LabNodeState(Record, frozen=True):
    """State of one virtual node. Fields that only root can read are None for others."""

    name: str
    state: State
    release: str
    """Codename of its release of Debian or Ubuntu."""
    address: str
    addresses: dict[str, str]
    """Addresses by the name of the interface inside the node."""
    memory_bytes: int
    """Memory in use, pages of files included."""
    anonymous_bytes: int
    memory_limit_bytes: int
    cpus: float
    rate_bits: int
    """Rate of the link in bits, per second and direction."""
    random_reads: int | None
    """Reads of the disk per second, at most."""
    disk_used_bytes: int | None
    disk_bytes: int


class LabState(Record, frozen=True):
    """State of a lab."""

    name: str
    fresh: bool
    emulated: bool
    inventory: str
    known_hosts: str
    key: str
    host_address: str
    """Address of this machine on the lab's bridge."""
    nodes: tuple[LabNodeState, ...]
    schema_version: int = 1


def is_whole(name: str) -> bool:
    """Tell whether a lab was made to its end since this machine was started."""
    try:
        return LabPlaces(name).stamp.read_text() == boot_id()
    except FileNotFoundError:
        return False


def read_spec(name: str) -> LabSpec:
    """Read a lab's specification; raises InputError where there is no such lab, or only half of one."""
    check_name(name)
    places = LabPlaces(name)
    if not is_whole(name):
        there = "only half of" if places.folder.exists() else "no"
        raise InputError(f"there is {there} lab {name}", fix=f"picluster lab up --name {name}")
    return from_json(
        LabSpec, places.spec.read_bytes(), source=str(places.spec), fix=f"picluster lab down --name {name}"
    )


def look(name: str) -> LabState:
    """Read the state of a lab; raises InputError where there is none."""
    lab = read_spec(name)
    places = LabPlaces(name)
    links = links_up(lab) if os.geteuid() == 0 else {}
    return LabState(
        name=name,
        fresh=lab.fresh,
        emulated=lab.emulated,
        inventory=str(places.inventory),
        known_hosts=str(places.known_hosts),
        key=str(places.key),
        host_address=lab.host_address,
        nodes=tuple(_look_at(node, places.node(node.name), links) for node in lab.nodes),
    )


def _look_at(node: NodeSpec, places: NodePlaces, links: dict[str, bool]) -> LabNodeState:
    groups = hierarchies()
    connected = all(links.get(port, True) for port in port_names(node))
    alive, frozen = bool(processes(groups, places.group)), is_frozen(groups, places.group)
    used = anonymous = 0
    usage, stat = memory_files(groups, places.group)
    with suppress(FileNotFoundError):  # after a kill nothing is left of it
        used, anonymous = int(usage.read_text()), anonymous_bytes(groups, stat.read_text())
    disk = None
    with suppress(PermissionError):
        found = os.statvfs(places.disk)
        disk = (found.f_blocks - found.f_bfree) * found.f_frsize
    return LabNodeState(
        name=node.name,
        state=judge(alive=alive, frozen=frozen, connected=connected),
        release=node.release,
        address=node.address,
        addresses={interface.name: interface.address for interface in node.interfaces},
        memory_bytes=used,
        anonymous_bytes=anonymous,
        memory_limit_bytes=node.memory_bytes,
        cpus=node.cpus,
        rate_bits=node.rate_bits,
        random_reads=node.random_reads,
        disk_used_bytes=disk,
        disk_bytes=node.disk_bytes,
    )


def judge(*, alive: bool, frozen: bool, connected: bool) -> State:
    """Name the gravest fault of a node."""
    if not alive:
        return "dead"
    if frozen:
        return "frozen"
    return "running" if connected else "link down"
