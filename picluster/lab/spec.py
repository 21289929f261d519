"""Specification of a lab, written before anything of it is made, and limits of its nodes, such as those of a Pi 4."""

import ipaddress
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass

from picluster.errors import InputError, MissingError
from picluster.schema.record import Record
from picluster.wording import counted

MAX_NODES = 64
_NAME = re.compile(r"[a-z][a-z0-9]{0,7}")
# Which name the kernel, the firmware or a distribution gives to a Pi's interface differs, so it does here.
_FIRST_INTERFACES = ("eth0", "end0", "enp1s0", "wlan0")
_SECOND_INTERFACES = ("wlan0", "eth1", "usb0", "enp2s0")
_CODENAME = re.compile(r"[a-z]+")
_FIRST_NODE = 11
_POOL = ipaddress.ip_network("10.66.0.0/15")
_BYTES = {"k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40}
_BITS = {"kbit": 10**3, "mbit": 10**6, "gbit": 10**9}
_SIZE = re.compile(r"(\d+(?:\.\d+)?)([kmgt])(?:ib)?", re.IGNORECASE)
_RATE = re.compile(r"(\d+(?:\.\d+)?)([kmg]bit)", re.IGNORECASE)
_MIB = 1 << 20
_MBIT = 10**6


@dataclass(frozen=True, kw_only=True)
class NodeLimits:
    """Limits of one node."""

    memory_bytes: int
    """Memory that the system shows in all: the board's less what firmware and graphics keep."""
    cpus: float
    """Shares of one core of this machine."""
    rate_bits: int
    """Rate of the link in bits, per second and direction."""
    random_reads: int | None = None
    """Reads of a disk per second; None: as fast as this machine's disk."""


# The CPU share compares fp32 matrix products of all four cores with one x86 core of 80 to 90 GFLOP/s; on another host,
# and with other work, it is a rough guide. Reads are those of a common A2 card in that board's slot.
PIS = {
    "zero2w": NodeLimits(memory_bytes=416 * _MIB, cpus=0.10, rate_bits=40 * _MBIT, random_reads=1500),
    "pi3": NodeLimits(memory_bytes=908 * _MIB, cpus=0.12, rate_bits=95 * _MBIT, random_reads=1500),
    "pi4": NodeLimits(memory_bytes=3792 * _MIB, cpus=0.25, rate_bits=940 * _MBIT, random_reads=3000),
    "pi5": NodeLimits(memory_bytes=8062 * _MIB, cpus=0.70, rate_bits=940 * _MBIT, random_reads=5000),
}


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
    release: str
    """Codename of its release of Debian or Ubuntu."""

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
    own_files: bool = False
    """True where each node has its own copy of system and packages in memory, as a Pi has."""
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
    """The Pi that all nodes imitate, or one for each node; none where `limits` are given."""
    releases: tuple[str, ...]
    """Codename of the release of all nodes, or one for each node."""
    disk_bytes: int
    fresh: bool
    emulated: bool
    own_files: bool
    second_interface: bool

    def __post_init__(self) -> None:
        """Raise InputError where no such lab can be made."""
        check_name(self.name)
        if not 1 <= self.nodes <= MAX_NODES:
            raise InputError(f"--nodes {self.nodes}: a lab has 1 to {MAX_NODES} nodes")
        if self.like:
            self._check_names("--like", self.like, "Pi")
        self._check_names("--release", self.releases, "release")
        if self.emulated and not self.fresh:
            raise InputError(
                "--emulate: ready nodes share this machine's packages, which are not theirs", fix="add --fresh"
            )

    def _check_names(self, option: str, names: Sequence[str], noun: str) -> None:
        if len(names) not in (1, self.nodes):
            raise InputError(
                f"{option} names {counted(len(names), noun)} for {counted(self.nodes, 'node')}",
                fix="name one for all nodes, or one for each",
            )


def check_name(name: str) -> None:
    """Raise InputError where a lab's name does not fit into the name of a network interface."""
    if not _NAME.fullmatch(name):
        raise InputError(f"--name {name}: a lab's name has 1 to 8 letters and digits, a small letter first")


def specify(wanted: LabRequest, network: str) -> LabSpec:
    """Specify the lab of a request, with the addresses that it gets."""
    nodes = tuple(_node(wanted, number, network) for number in range(wanted.nodes))
    return LabSpec(wanted.name, network, wanted.fresh, nodes, wanted.emulated, wanted.own_files)


def _node(wanted: LabRequest, number: int, network: str) -> NodeSpec:
    limits = PIS[wanted.like[number % len(wanted.like)]] if wanted.like else wanted.limits
    first = ipaddress.ip_network(network)[_FIRST_NODE + number]
    kind = number % len(_FIRST_INTERFACES)
    interfaces = [NodeInterface(_FIRST_INTERFACES[kind], str(first))]
    if wanted.second_interface:
        interfaces.append(NodeInterface(_SECOND_INTERFACES[kind], str(first + 256)))
    return NodeSpec(
        name=f"pi{number + 1}",
        interfaces=tuple(interfaces),
        disk_bytes=wanted.disk_bytes,
        release=wanted.releases[number % len(wanted.releases)],
        **asdict(limits),
    )


def free_network(taken: Iterable[str]) -> str:
    """Find the first of two networks of 256 addresses that no route of this machine leads into, else MissingError."""
    routes = [ipaddress.IPv4Network(network, strict=False) for network in taken]
    for both in _POOL.subnets(new_prefix=23):
        if not any(both.overlaps(route) for route in routes):
            return str(next(both.subnets(new_prefix=24)))
    raise MissingError(
        f"no network in {_POOL} is free on this machine",
        fix="take a lab away that is not used: picluster lab down --name NAME",
    )


def parse_likeness(text: str) -> tuple[str, ...]:
    """Split a list such as `zero2w,pi4,pi4` into the Pis' names; raises InputError where one is not known."""
    names = tuple(name.strip() for name in text.split(","))
    for name in names:
        if name not in PIS:
            raise InputError(f"--like {text}: {name!r} is no Pi that is known", fix=f"take from {', '.join(PIS)}")
    return names


def parse_releases(text: str) -> tuple[str, ...]:
    """Split a list such as `trixie,bookworm` into codenames; raises InputError where one cannot be such a name."""
    names = tuple(name.strip() for name in text.split(","))
    for name in names:
        if not _CODENAME.fullmatch(name):
            raise InputError(f"--release {text}: {name!r} is no codename", fix="say it as trixie, or trixie,bookworm")
    return names


def parse_size(text: str, option: str) -> int:
    """Read a size such as `512MiB` or `1G`, in powers of 1,024, as bytes; raises InputError where it is none."""
    return _parse(text, option, _SIZE, _BYTES, "size", "512MiB or 1GiB")


def parse_rate(text: str, option: str) -> int:
    """Read a rate such as `940mbit`, in powers of 1,000, as bits per second; raises InputError where it is none."""
    return _parse(text, option, _RATE, _BITS, "rate", "100mbit or 1gbit")


def _parse(text: str, option: str, form: re.Pattern[str], units: Mapping[str, int], noun: str, examples: str) -> int:
    found = form.fullmatch(text)
    amount = int(float(found[1]) * units[found[2].lower()]) if found else 0
    if not amount:
        raise InputError(f"{option} {text}: that is no {noun}", fix=f"say it as {examples}")
    return amount
