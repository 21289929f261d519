"""Specification of a lab, written before anything of it is made."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass

from picluster.errors import InputError, MissingError
from picluster.lab.limits import PIS, NodeLimits
from picluster.schema.record import Record
from picluster.wording import counted

MAX_NODES = 64
_NAME = re.compile(r"[a-z][a-z0-9]{0,7}")
# Which name the kernel, the firmware or a distribution gives to a Pi's interface differs, so it does here.
_FIRST_INTERFACES = ("eth0", "end0", "enp1s0", "wlan0")
_SECOND_INTERFACES = ("wlan0", "eth1", "usb0", "enp2s0")
_FIRST_NODE = 11
_POOL = ipaddress.ip_network("10.66.0.0/15")


class NodeInterface(Record, frozen=True):
    """One network interface of a node."""

    name: str
    address: str
    """IPv4 address, in a network of 256; the host has the one that ends in 1."""


class NodeSpec(Record, frozen=True):
    """One virtual Pi."""

    name: str
    interfaces: tuple[NodeInterface, ...]
    memory_bytes: int
    cpus: float
    """Shares of one core."""
    rate_bits: int
    """Rate of the link in bits, per second and direction."""
    disk_bytes: int
    random_reads: int | None
    """Largest number of the disk's reads per second; None: unlimited."""

    @property
    def address(self) -> str:
        """Address at which the controller reaches it."""
        return self.interfaces[0].address


class LabSpec(Record, frozen=True):
    """A lab, as `lab.json` keeps it."""

    name: str
    network: str
    """First network of the lab, of 256 addresses, such as 10.66.3.0/24; a second one follows it."""
    fresh: bool
    nodes: tuple[NodeSpec, ...]
    emulated: bool = False
    schema_version: int = 1

    @property
    def host_address(self) -> str:
        """This machine's own address on the lab's bridge."""
        return str(ipaddress.ip_network(self.network)[1])

    def node(self, name: str) -> NodeSpec:
        """The node of that name; raises InputError where there is none."""
        for node in self.nodes:
            if node.name == name:
                return node
        names = ", ".join(node.name for node in self.nodes)
        raise InputError(f"lab {self.name} has no node {name}", fix=f"its nodes are {names}")


@dataclass(frozen=True, kw_only=True)
class LabRequest:
    """A request for a lab, as it was typed."""

    name: str
    nodes: int
    limits: NodeLimits
    """Limits of every node, where `like` is empty."""
    like: tuple[str, ...]
    """A Pi to imitate for each node."""
    disk_bytes: int
    fresh: bool
    emulated: bool
    second_interface: bool

    def __post_init__(self) -> None:
        """Raise InputError where no such lab can be made."""
        check_name(self.name)
        if not 1 <= self.nodes <= MAX_NODES:
            raise InputError(f"--nodes {self.nodes}: a lab has 1 to {MAX_NODES} nodes")
        if self.like and len(self.like) != self.nodes:
            raise InputError(
                f"--like names {counted(len(self.like), 'Pi')} for {counted(self.nodes, 'node')}",
                fix="name one for each node",
            )
        if self.emulated and not self.fresh:
            raise InputError(
                "--emulate: ready nodes share this machine's packages, which are not theirs", fix="add --fresh"
            )


def check_name(name: str) -> None:
    """Raise InputError where a lab's name does not fit into the name of a network interface."""
    if not _NAME.fullmatch(name):
        raise InputError(f"--name {name}: a lab's name has 1 to 8 letters and digits, a small letter first")


def specify(wanted: LabRequest, network: str) -> LabSpec:
    """Specify the lab of a request, with the addresses that it gets."""
    nodes = tuple(_node(wanted, number, network) for number in range(wanted.nodes))
    return LabSpec(wanted.name, network, wanted.fresh, nodes, wanted.emulated)


def _node(wanted: LabRequest, number: int, network: str) -> NodeSpec:
    limits = PIS[wanted.like[number]] if wanted.like else wanted.limits
    first = ipaddress.ip_network(network)[_FIRST_NODE + number]
    kind = number % len(_FIRST_INTERFACES)
    interfaces = [NodeInterface(_FIRST_INTERFACES[kind], str(first))]
    if wanted.second_interface:
        interfaces.append(NodeInterface(_SECOND_INTERFACES[kind], str(first + 256)))
    return NodeSpec(
        name=f"pi{number + 1}",
        interfaces=tuple(interfaces),
        disk_bytes=wanted.disk_bytes,
        **asdict(limits),
    )


def free_network(taken: Iterable[str]) -> str:
    """Find two networks of 256 addresses that this machine has no route into; returns the first of the two.

    Raises MissingError where there are none.
    """
    routes = [ipaddress.IPv4Network(network, strict=False) for network in taken]
    for both in _POOL.subnets(new_prefix=23):
        if not any(both.overlaps(route) for route in routes):
            return str(next(both.subnets(new_prefix=24)))
    raise MissingError(
        f"no network in {_POOL} is free on this machine",
        fix="take a lab away that is not used: picluster lab down --name NAME",
    )
